"""The web server: whoever is slow, silent or greedy holds up nobody but themselves."""

import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import requests
from flask import Response, request

from chassis import webserver
from tests.chassis_parts import People, demo_app, settings
from tests.integration.webserver_house import House, running
from tests.waiting import eventually

PROBLEM = "application/problem+json"
SILENT = b""
HALF_HEADER = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-"
HALF_BODY = b"POST /feed HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 100000\r\n\r\n{"
NO_END_OF_CHUNKS = b"POST /feed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
READS_NOTHING = b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n"
LONG = 30_000_000


@pytest.fixture
def new_house(tmp_path: Path) -> House:
    app = demo_app(settings(tmp_path), People())
    app.config["WTF_CSRF_ENABLED"] = False
    house = House(app)

    @app.get("/long")
    def long() -> Response:
        return Response(b"x" * LONG)

    @app.get("/wait")
    def wait() -> str:
        house.entered.set()
        house.goes_on.wait(30)
        return "done"

    @app.get("/from")
    def from_where() -> dict[str, str | None]:
        return {"address": request.remote_addr, "scheme": request.scheme, "host": request.host}

    return house


@pytest.fixture
def house(new_house: House) -> Iterator[House]:
    with running(new_house):
        yield new_house


def is_closed(client: socket.socket) -> bool:
    """Tell whether the server has ended the connection; what it sent before is read."""
    client.settimeout(0.01)
    try:
        while client.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return True


@pytest.mark.parametrize(
    "sent",
    [SILENT, HALF_HEADER, HALF_BODY, NO_END_OF_CHUNKS, READS_NOTHING],
    ids=["silent", "half a header", "half a body", "no last chunk", "reads nothing"],
)
def test_beside_60_clients_that_do_not_go_on_everybody_else_is_answered(house: House, sent: bytes) -> None:
    with ExitStack() as clients:
        for _ in range(60):
            clients.enter_context(house.connect(sent))
        with ThreadPoolExecutor(20) as others:
            assert all(others.map(lambda _: house.answers(), range(60)))


@pytest.mark.parametrize(
    ("sent", "patience"),
    [(SILENT, "_IDLE_S"), (HALF_HEADER, "_HEADER_S"), (HALF_BODY, "_REQUEST_S"), (NO_END_OF_CHUNKS, "_REQUEST_S")],
)
def test_who_does_not_go_on_is_let_go(
    house: House, monkeypatch: pytest.MonkeyPatch, sent: bytes, patience: str
) -> None:
    monkeypatch.setattr(webserver, patience, 0.2)
    with house.connect(sent) as client:
        eventually(lambda: is_closed(client))
    assert house.answers()


@pytest.mark.parametrize(("sent", "patience"), [(HALF_HEADER, "_HEADER_S"), (HALF_BODY, "_REQUEST_S")])
def test_a_byte_now_and_then_does_not_keep_a_connection(
    house: House, monkeypatch: pytest.MonkeyPatch, sent: bytes, patience: str
) -> None:
    monkeypatch.setattr(webserver, patience, 0.2)
    with house.connect(sent) as client:

        def is_closed_in_spite_of_another_byte() -> bool:
            try:
                client.sendall(b"x")
            except ConnectionError:
                return True
            return is_closed(client)

        eventually(is_closed_in_spite_of_another_byte)


def test_who_does_not_take_the_answer_is_let_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webserver, "_ANSWER_S", 0.2)
    with house.connect(READS_NOTHING) as client:
        eventually(lambda: open_connections(house) == 0)
        assert len(all_of(client)) < LONG


def test_among_too_many_connections_the_one_that_waits_for_longest_makes_room(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webserver, "_CONNECTIONS", 10)
    with ExitStack() as stack, house.connect(HALF_HEADER) as first:
        eventually(lambda: open_connections(house) == 1)
        later = [stack.enter_context(house.connect(HALF_HEADER)) for _ in range(9)]
        eventually(lambda: is_closed(first))
        eventually(house.answers)  # who has said nothing yet may be the one that waits for longest
        assert not is_closed(later[-1])


def test_a_request_that_a_thread_works_for_makes_no_room(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webserver, "_CONNECTIONS", 5)
    monkeypatch.setattr(webserver, "_IDLE_S", 0.1)
    with ExitStack() as stack, house.connect(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n") as first:
        assert house.entered.wait(30)
        for _ in range(20):
            stack.enter_context(house.connect())
        eventually(lambda: open_connections(house) == 1)
        house.goes_on.set()
        assert first.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_connection_serves_one_request_after_the_other(house: House) -> None:
    with house.connect(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" * 3) as client:
        answers = b""
        while answers.count(b"HTTP/1.1 200 OK") < 3:
            answers += client.recv(65536)
    assert b"\r\nServer:" not in answers


@pytest.mark.parametrize(
    "body", [b"x" * 3_000_000, (b"x" * 1_500_000, b"x" * 1_500_000)], ids=["with its length", "in chunks"]
)
def test_a_body_that_is_too_long_is_refused_by_the_application(house: House, body: bytes | tuple[bytes, ...]) -> None:
    data = body if isinstance(body, bytes) else iter(body)
    told = {"Accept-Language": "ru", "Content-Type": "application/json"}
    answer = requests.post(house.url("/api/v1/things"), data=data, headers=told, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (413, PROBLEM)
    assert answer.json()["title"] == "Запрос слишком большой"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000, 431),
        (b"POST /feed HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"POST /feed HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    ],
    ids=["garbage", "bad header", "long header", "endless body", "unknown coding"],
)
def test_what_the_application_never_sees_is_a_problem_too(house: House, sent: bytes, status: int) -> None:
    with house.connect(sent) as client:
        head, _, body = all_of(client).partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.0 {status} ".encode()) or head.startswith(f"HTTP/1.1 {status} ".encode())
    assert f"Content-Type: {PROBLEM}".encode() in head
    assert json.loads(body)["status"] == status


FORWARDED = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}


def test_nobody_is_believed_where_a_request_comes_from(house: House) -> None:
    seen = requests.get(house.url("/from"), headers=FORWARDED, timeout=30).json()
    assert seen == {"address": "127.0.0.1", "scheme": "http", "host": f"127.0.0.1:{house.port}"}


def test_a_trusted_proxy_is_believed_where_a_request_comes_from(new_house: House) -> None:
    with running(new_house, trusted_proxy="127.0.0.1"):
        seen = requests.get(new_house.url("/from"), headers=FORWARDED, timeout=30).json()
    assert seen == {"address": "203.0.113.9", "scheme": "https", "host": f"127.0.0.1:{new_house.port}"}


def test_a_request_in_progress_is_answered_before_the_server_ends(new_house: House) -> None:
    with running(new_house) as server, ThreadPoolExecutor(1) as client:
        answer = client.submit(requests.get, new_house.url("/wait"), timeout=30)
        assert new_house.entered.wait(30)
        new_house.stop.set()
        eventually(lambda: refuses_connections(new_house))
        new_house.goes_on.set()
        assert answer.result().text == "done"
        server.join(30)
        assert not server.is_alive()


def test_a_client_that_takes_nothing_does_not_keep_the_server_from_ending(
    new_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webserver, "_GRACE_S", 0.2)
    with running(new_house) as server, new_house.connect(READS_NOTHING):
        eventually(lambda: open_connections(new_house) == 1)
        new_house.stop.set()
        server.join(30)
        assert not server.is_alive()


def all_of(client: socket.socket) -> bytes:
    """Everything that the server sends until it ends the connection."""
    received = b""
    with suppress(ConnectionError):
        while data := client.recv(65536):
            received += data
    return received


def refuses_connections(house: House) -> bool:
    try:
        house.connect().close()
    except ConnectionError:
        return True
    return False


def open_connections(house: House) -> int:
    """How many connections the server has: as the kernel counts them, without asking the server."""
    local = f"0100007F:{house.port:04X}"
    rows = (line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:])
    return sum(row[1] == local and row[3] == "01" for row in rows)
