"""Receives from one queue of RabbitMQ."""

import time
from collections.abc import Sequence
from typing import Any

import pika
from pika.channel import Channel

from messaging.broker.link import Link
from messaging.broker.mailbox import Mailbox
from messaging.transport import Delivery

#: Characters of headers that are taken from a message: with four bytes each they are half a frame.
_ROOM_FOR_HEADERS = 16 * 1024


class RabbitReceiver:
    """Receives from one queue. Used by one thread."""

    def __init__(self, parameters: pika.URLParameters, queue: str, prefetch: int) -> None:
        """Start to connect and subscribe."""
        self._queue_name = queue
        self._prefetch = prefetch
        self._arrived: Mailbox[Delivery] = Mailbox()
        self._channel: Channel | None = None
        self._subscriptions = 0
        self._consumer_tag = ""
        #: Tags handed out and not settled, in order, of the connection they came over.
        self._outstanding: dict[int, None] = {}
        self._outstanding_of = 0
        self._link = Link(parameters, self._use, self._lost)
        self._link.start()

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """See `Receiver`."""
        found: list[Delivery] = []
        deadline = time.monotonic() + timeout
        while not found and (arrived := self._arrived.take(limit, deadline - time.monotonic())):
            found = [delivery for delivery in arrived if delivery.connection == self._link.number]
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

    def go_on(self) -> None:
        """See `Receiver`. The broker counts the prefetch of each subscription anew."""
        channel, number = self._channel, self._link.number
        if channel is not None:
            self._link.call(lambda: self._subscribe_anew(channel, number))

    def obstacle(self) -> str:
        """See `Receiver`."""
        return self._link.obstacle()

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
        channel.add_on_cancel_callback(lambda _frame: self._link.reopen(f"{self._queue_name} was deleted"))
        channel.basic_qos(prefetch_count=self._prefetch, callback=lambda _frame: self._subscribe(channel, number))

    def _subscribe_anew(self, channel: Channel, number: int) -> None:
        if number == self._link.number and channel.is_open:
            channel.basic_cancel(self._consumer_tag, callback=lambda _frame: self._subscribe(channel, number))

    def _subscribe(self, channel: Channel, number: int) -> None:
        if not channel.is_open:  # closed while the broker answered
            return

        def arrived(_channel: Channel, method: Any, properties: Any, body: bytes) -> None:
            self._arrived.put(_delivery(number, method, properties, body))

        def subscribed(_frame: Any) -> None:
            self._channel = channel
            self._link.works()
            self._link.opened()

        # RabbitMQ puts back what is not settled by the order of the tags (for up to 32 of them).
        self._subscriptions += 1
        self._consumer_tag = f"{self._subscriptions:06}"
        channel.basic_consume(self._queue_name, arrived, consumer_tag=self._consumer_tag, callback=subscribed)

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
        headers=_headers(properties.headers or {}),
        redelivered=bool(method.redelivered),
    )


def _headers(found: dict[str | bytes, Any]) -> dict[str, Any]:
    """Leave out what is too large: a message that is sent on has more headers than it came with, and one frame for all.

    A broker that is sent a larger frame closes the connection, and again whenever that message is tried again.
    """
    kept: dict[str, Any] = {}
    room = _ROOM_FOR_HEADERS
    for key, value in found.items():
        name, plain = _text(key), _plain(value)
        size = len(name) + len(str(plain))
        if size <= room:
            room -= size
            kept[name] = plain
    return kept


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
