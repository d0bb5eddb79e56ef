"""No connection leaves a socket open, however it ends."""

import gc
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from pika.frame import Frame, Method, decode_frame
from pika.spec import Channel, Confirm, Connection

from messaging import RabbitBroker
from messaging.errors import BrokerUnavailable, StorageUnavailable
from messaging.outbox_reader import OutboxReader
from messaging.topology import Topology
from tests.integration.messaging_house import House
from tests.waiting import eventually

ANSWERS: dict[type, Callable[[], object]] = {
    Connection.StartOk: lambda: Connection.Tune(channel_max=10, frame_max=131_072, heartbeat=0),
    Connection.Open: Connection.OpenOk,
    Channel.Open: Channel.OpenOk,
    Confirm.Select: Confirm.SelectOk,
}
CAPABLE = {"capabilities": {"publisher_confirms": True, "basic.nack": True}}


class RudeBroker:
    """Welcomes everybody and never says goodbye, or says it in the same breath."""

    def __init__(self, *, farewell: bool = False) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._farewell = farewell
        self._guests: list[socket.socket] = []
        self.url = f"amqp://guest:guest@127.0.0.1:{self._server.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._welcome)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        for guest in self._guests:
            with suppress(OSError):
                guest.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _welcome(self) -> None:
        while True:
            try:
                guest, _ = self._server.accept()
            except OSError:
                return
            self._guests.append(guest)
            with guest, suppress(OSError):
                self._entertain(guest)

    def _entertain(self, guest: socket.socket) -> None:
        buffer = guest.recv(8)[8:]
        guest.sendall(_frame(0, Connection.Start(0, 9, CAPABLE, "PLAIN", "en_US")))
        while data := guest.recv(65_536):
            buffer += data
            while (found := decode_frame(buffer))[0]:
                buffer = buffer[found[0] :]
                guest.sendall(self._answer(found[1]))

    def _answer(self, asked: Frame) -> bytes:
        method = getattr(asked, "method", None)
        if type(method) not in ANSWERS:
            return b""
        answer = _frame(asked.channel_number, ANSWERS[type(method)]())
        if self._farewell and isinstance(method, Connection.Open):
            answer += _frame(0, Connection.Close(320, "CONNECTION_FORCED", 0, 0))
        return answer


def _frame(channel: int, method: object) -> bytes:
    marshalled: bytes = Method(channel, method).marshal()
    return marshalled


@pytest.fixture
def rude() -> Iterator[RudeBroker]:
    broker = RudeBroker()
    yield broker
    broker.close()


def _open_sockets() -> set[int]:
    found = [thing for thing in gc.get_objects() if isinstance(thing, socket.socket)]
    return {id(sock) for sock in found if sock.fileno() != -1}


@contextmanager
def nothing_stays_open() -> Iterator[None]:
    before = _open_sockets()
    yield
    eventually(lambda: _open_sockets() <= before)


def test_a_goodbye_that_is_not_answered(rude: RudeBroker) -> None:
    with nothing_stays_open():
        publisher = RabbitBroker(rude.url, name="x").publisher()
        assert publisher.wait_until_connected(10)
        publisher.close()


def test_an_error_on_the_thread_of_the_connection(rude: RudeBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = threading.Event()

    def fail(_publisher: object) -> None:
        failed.set()
        raise ValueError("nobody foresaw this")

    with nothing_stays_open():
        publisher = RabbitBroker(rude.url, name="x").publisher()
        assert publisher.wait_until_connected(10)
        monkeypatch.setattr("messaging.broker.publisher.RabbitPublisher._publish", fail)
        publisher.send([])
        assert failed.wait(10)
        monkeypatch.undo()
        publisher.close()


def test_a_goodbye_in_the_same_breath_as_the_welcome() -> None:
    broker = RudeBroker(farewell=True)
    with nothing_stays_open():
        with pytest.raises(BrokerUnavailable):
            RabbitBroker(broker.url, name="x").declare(Topology((), (), ()))
        broker.close()


def test_an_outbox_that_is_lost_at_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def lose(*_arguments: object) -> None:
        raise StorageUnavailable

    monkeypatch.setattr(OutboxReader, "_execute", lose)
    with nothing_stays_open(), pytest.raises(StorageUnavailable), OutboxReader(house.database_url):
        pass
