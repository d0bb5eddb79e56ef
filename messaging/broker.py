"""RabbitMQ: the only file that knows pika.

Publisher and receiver each have a thread with a `SelectConnection`, so that heartbeats and confirms go on while
a handler works or a database is slow. pika's own rule: from outside that thread only
`ioloop.add_callback_threadsafe` is called (https://pika.readthedocs.io/en/stable/faq.html).
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

import pika
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.channel import Channel
from pika.exceptions import AMQPError, ChannelClosedByBroker, ConnectionWrongStateError

from messaging.errors import BrokerUnavailable, TopologyConflict
from messaging.topology import Topology
from messaging.transport import Delivery, Message, Outcome, Publisher, QueueState, Receiver

_log = logging.getLogger(__name__)

#: Seconds without a sign of life after which the other side counts as gone.
_HEARTBEAT = 30
#: Seconds between two attempts to connect: short, since a restart of the broker is to be noticed at once.
_RECONNECT_AFTER = (0.1, 0.3, 1.0)
#: Messages written before the broker's answers are looked at.
_WRITE_AT_ONCE = 200
_PRECONDITION_FAILED = 406
_PERSISTENT = pika.DeliveryMode.Persistent.value


class RabbitBroker:
    """The broker at an AMQP URL."""

    def __init__(self, url: str, *, name: str) -> None:
        """Take the URL; `name` is what the management console shows for the connections."""
        self._parameters = pika.URLParameters(url)
        self._parameters.heartbeat = _HEARTBEAT
        self._parameters.socket_timeout = 5
        self._parameters.stack_timeout = 10
        self._parameters.client_properties = {"connection_name": name}

    def declare(self, topology: Topology) -> None:
        """Declare exchanges, queues and bindings; what exists already is left as it is."""
        with self._short_channel() as channel:
            _declare(channel, topology)

    def queue_state(self, queue: str) -> QueueState:
        """See `Broker`."""
        with self._short_channel() as channel:
            found = channel.queue_declare(queue, passive=True).method
            return QueueState(found.message_count, found.consumer_count)

    @contextmanager
    def _short_channel(self) -> Iterator[Any]:
        """Yield a channel for a few answers. Raises BrokerUnavailable, or TopologyConflict."""
        try:
            with pika.BlockingConnection(self._parameters) as connection:
                yield connection.channel()
        except ChannelClosedByBroker as error:
            if error.reply_code == _PRECONDITION_FAILED:
                raise TopologyConflict(error.reply_text) from error
            raise BrokerUnavailable(error.reply_text) from error
        except (AMQPError, AMQPConnectorException, OSError) as error:
            raise BrokerUnavailable(f"{self._parameters.host}:{self._parameters.port}: {error!r}") from error

    def publisher(self) -> Publisher:
        """Return a publisher with confirms."""
        return RabbitPublisher(self._parameters)

    def receiver(self, queue: str, prefetch: int) -> Receiver:
        """Return a receiver of the queue."""
        return RabbitReceiver(self._parameters, queue, prefetch)


def _declare(channel: Any, topology: Topology) -> None:
    for exchange in topology.exchanges:
        channel.exchange_declare(
            exchange.name, exchange_type=exchange.kind, durable=True, arguments=dict(exchange.arguments)
        )
    for queue in topology.queues:
        channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
    for binding in topology.bindings:
        channel.queue_bind(binding.queue, binding.exchange, binding.routing_key)


class _Connection(pika.SelectConnection):  # type: ignore[misc]
    """A connection that can gather what it writes: pika makes a system call for each of a message's three frames."""

    _gathered: list[bytes] | None = None

    @contextmanager
    def one_write(self) -> Iterator[None]:
        """Write everything that is sent inside the block at its end, at once."""
        self._gathered = []
        try:
            yield
        finally:
            gathered, self._gathered = self._gathered, None
            if gathered and self.is_open:
                super()._adapter_emit_data(b"".join(gathered))

    def _adapter_emit_data(self, data: bytes) -> None:
        if self._gathered is None:
            super()._adapter_emit_data(data)
        else:
            self._gathered.append(data)


class _Link:
    """One connection with one channel on a thread of its own, opened again whenever it is lost."""

    def __init__(
        self,
        parameters: pika.URLParameters,
        on_channel: Callable[[Channel, int], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._parameters = parameters
        self._on_channel = on_channel
        self._on_lost = on_lost
        self._closing = threading.Event()
        self._connection: _Connection | None = None
        self._failures = 0
        self.number = 0
        self.ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="rabbitmq", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], None]) -> bool:
        """Run the function on the link's thread; False if there is no connection to run it for."""
        connection = self._connection
        if connection is None or not self.ready.is_set():
            return False
        try:
            connection.ioloop.add_callback_threadsafe(function)
        except (AttributeError, ConnectionWrongStateError):  # the loop ended this very moment
            return False
        return True

    def opened(self) -> None:
        """Say that the channel is usable now."""
        self._failures = 0
        self.ready.set()

    def close(self) -> None:
        """Close and wait for the thread to end."""
        self._closing.set()
        connection = self._connection
        if connection is not None:
            connection.ioloop.add_callback_threadsafe(self._close_connection)
        self._thread.join(timeout=10)

    def _close_connection(self) -> None:
        connection = self._connection
        if connection is not None and not (connection.is_closing or connection.is_closed):
            connection.close()

    def _run(self) -> None:
        while not self._closing.is_set():
            self.number += 1
            connection = _Connection(
                self._parameters,
                on_open_callback=self._open_channel,
                on_open_error_callback=self._failed,
                on_close_callback=self._failed,
            )
            self._connection = connection
            try:
                connection.ioloop.start()
            except Exception:  # noqa: BLE001 (without this thread nobody would ever connect again)
                _log.exception("the connection to RabbitMQ failed in an unexpected way: opening another one")
            self.ready.clear()
            self._connection = None
            connection.ioloop.close()
            self._on_lost()
            pause = _RECONNECT_AFTER[min(self._failures, len(_RECONNECT_AFTER) - 1)]
            self._failures += 1
            self._closing.wait(pause)

    def _open_channel(self, connection: pika.SelectConnection) -> None:
        if self._closing.is_set():
            connection.close()
            return
        connection.channel(on_open_callback=self._channel_opened)

    def _channel_opened(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._channel_closed)
        self._on_channel(channel, self.number)

    def _channel_closed(self, _channel: Channel, reason: Exception) -> None:
        self.ready.clear()
        if not self._closing.is_set():
            _log.warning("RabbitMQ closed the channel: %s", reason)
        self._close_connection()

    def _failed(self, connection: pika.SelectConnection, reason: Exception) -> None:
        self.ready.clear()
        if not self._closing.is_set():
            _log.warning("no connection to RabbitMQ: %r", reason)
        connection.ioloop.stop()


class RabbitPublisher:
    """Sends with confirms and `mandatory`, any number of messages at a time. Used by one thread."""

    def __init__(self, parameters: pika.URLParameters) -> None:
        """Start to connect."""
        self._outcomes: SimpleQueue[list[Outcome]] = SimpleQueue()
        #: Handed over and not yet written to a connection.
        self._handed: deque[Message] = deque()
        # The rest belongs to the link's thread. Delivery tags count up from 1 on each channel.
        self._channel: Channel | None = None
        self._sent = 0
        self._unconfirmed: dict[int, tuple[int, str]] = {}
        self._returned: dict[str, str] = {}
        self._link = _Link(parameters, self._use, self._lost)

    def wait_until_connected(self, timeout: float) -> bool:
        """See `Publisher`."""
        return self._link.ready.wait(timeout)

    def send(self, messages: Sequence[Message]) -> None:
        """See `Publisher`."""
        self._handed.extend(messages)
        self._link.call(self._publish)  # without a connection, the next one to open takes them along

    def outcomes(self, timeout: float) -> list[Outcome]:
        """See `Publisher`."""
        found: list[Outcome] = []
        try:
            found += self._outcomes.get(timeout=timeout) if timeout > 0 else self._outcomes.get_nowait()
            while True:
                found += self._outcomes.get_nowait()
        except Empty:
            return found

    def close(self) -> None:
        """See `Publisher`."""
        self._link.close()

    def _use(self, channel: Channel, _number: int) -> None:
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._ready(channel))

    def _ready(self, channel: Channel) -> None:
        self._sent = 0
        self._channel = channel
        self._link.opened()
        self._publish()

    def _lost(self) -> None:
        self._channel = None
        unconfirmed = [tag for tag, _ in self._unconfirmed.values()]
        self._unconfirmed = {}
        self._returned = {}
        if unconfirmed:
            self._outcomes.put([Outcome(tag, False, "the connection to the broker was lost") for tag in unconfirmed])

    def _publish(self) -> None:
        channel = self._channel
        if channel is None or not channel.is_open:
            return
        with channel.connection.one_write():
            for _ in range(min(len(self._handed), _WRITE_AT_ONCE)):
                message = self._handed.popleft()
                self._sent += 1
                self._unconfirmed[self._sent] = (message.tag, message.message_id)
                channel.basic_publish(
                    message.exchange, message.routing_key, message.body, _properties(message), mandatory=True
                )
        if self._handed:
            self._link.call(self._publish)  # confirms that came in meanwhile have their turn first

    def _on_return(self, _channel: Channel, method: Any, properties: Any, _body: bytes) -> None:
        # The broker confirms a returned message right afterwards: no queue failed to take it, there was none.
        self._returned[properties.message_id or ""] = method.reply_text

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        confirmed = isinstance(method, pika.spec.Basic.Ack)
        if method.multiple:
            settled = []
            for number in self._unconfirmed:  # in the order sent
                if number > method.delivery_tag:
                    break
                settled.append(number)
        else:
            settled = [method.delivery_tag]
        self._outcomes.put([self._settle(number, confirmed) for number in settled])

    def _settle(self, number: int, confirmed: bool) -> Outcome:
        tag, message_id = self._unconfirmed.pop(number)
        returned = self._returned.pop(message_id, None) if self._returned else None
        if returned is not None:
            return Outcome(tag, False, f"returned: {returned}")
        return Outcome(tag, confirmed, "" if confirmed else "refused by the broker")


def _properties(message: Message) -> pika.BasicProperties:
    return pika.BasicProperties(
        content_type=message.content_type,
        delivery_mode=_PERSISTENT,
        message_id=message.message_id or None,
        type=message.type or None,
        app_id=message.app_id or None,
        correlation_id=message.correlation_id or None,
        timestamp=message.timestamp,
        headers=message.headers or None,
    )


class RabbitReceiver:
    """Receives from one queue. Used by one thread."""

    def __init__(self, parameters: pika.URLParameters, queue: str, prefetch: int) -> None:
        """Start to connect and subscribe."""
        self._queue_name = queue
        self._prefetch = prefetch
        self._arrived: SimpleQueue[Delivery] = SimpleQueue()
        self._channel: Channel | None = None
        #: Tags handed out and not settled, in order, of the connection they came over.
        self._outstanding: dict[int, None] = {}
        self._outstanding_of = 0
        self._link = _Link(parameters, self._use, self._lost)

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """See `Receiver`."""
        found: list[Delivery] = []
        deadline = time.monotonic() + timeout
        while len(found) < limit:
            left = 0.0 if found else deadline - time.monotonic()
            try:
                delivery = self._arrived.get(timeout=left) if left > 0 else self._arrived.get_nowait()
            except Empty:
                break
            if delivery.connection == self._link.number:
                found.append(delivery)
        self._hand_out(found)
        return found

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See `Receiver`. A run of the oldest is settled by one frame."""
        settled = {d.tag for d in deliveries if d.connection == self._outstanding_of}
        up_to = 0
        while self._outstanding and (first := next(iter(self._outstanding))) in settled:
            up_to = first
            del self._outstanding[first]
            settled.discard(first)
        for tag in settled:
            self._outstanding.pop(tag, None)
        channel, number = self._channel, self._outstanding_of
        if channel is not None and (up_to or settled):
            self._link.call(lambda: self._settle(channel, number, up_to, sorted(settled)))

    def connected(self) -> bool:
        """See `Receiver`."""
        return self._link.ready.is_set()

    def close(self) -> None:
        """See `Receiver`."""
        self._link.close()

    def _hand_out(self, deliveries: list[Delivery]) -> None:
        for delivery in deliveries:
            if delivery.connection != self._outstanding_of:
                self._outstanding = {}
                self._outstanding_of = delivery.connection
            self._outstanding[delivery.tag] = None

    def _settle(self, channel: Channel, number: int, up_to: int, tags: list[int]) -> None:
        if number != self._link.number or not channel.is_open:
            return
        if up_to:
            channel.basic_ack(up_to, multiple=True)
        for tag in tags:
            channel.basic_ack(tag)

    def _use(self, channel: Channel, number: int) -> None:
        channel.add_on_cancel_callback(lambda _frame: channel.close())  # the queue was deleted
        channel.basic_qos(prefetch_count=self._prefetch, callback=lambda _frame: self._subscribe(channel, number))

    def _subscribe(self, channel: Channel, number: int) -> None:
        def arrived(_channel: Channel, method: Any, properties: Any, body: bytes) -> None:
            self._arrived.put(_delivery(number, method, properties, body))

        def subscribed(_frame: Any) -> None:
            self._channel = channel
            self._link.opened()

        channel.basic_consume(self._queue_name, arrived, callback=subscribed)

    def _lost(self) -> None:
        self._channel = None


def _delivery(connection: int, method: Any, properties: Any, body: bytes) -> Delivery:
    return Delivery(
        tag=method.delivery_tag,
        connection=connection,
        body=body,
        content_type=_text(properties.content_type),
        routing_key=_text(method.routing_key),
        message_id=_text(properties.message_id),
        type=_text(properties.type),
        app_id=_text(properties.app_id),
        correlation_id=_text(properties.correlation_id),
        timestamp=properties.timestamp,
        headers={_text(name): _plain(value) for name, value in (properties.headers or {}).items()},
        redelivered=bool(method.redelivered),
    )


def _text(value: str | bytes | None) -> str:
    """pika gives bytes where a foreign client sent what is no UTF-8."""
    return value.decode(errors="ignore") if isinstance(value, bytes) else value or ""


def _plain(value: Any) -> Any:
    """Make a header one that can be sent on: pika reads more kinds of values than it can write."""
    if isinstance(value, dict):
        return {_text(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return value
    return _text(value) if isinstance(value, bytes) else str(value)
