"""Receives from one queue of RabbitMQ."""

import time
from collections.abc import Sequence
from typing import Any

import pika
from pika.channel import Channel

from messaging.broker.decoding import delivery_of
from messaging.broker.link import Link
from messaging.broker.mailbox import Mailbox
from messaging.transport import Delivery


class RabbitReceiver:
    """Receives from one queue. Used by one thread."""

    def __init__(self, parameters: pika.URLParameters, queue: str, prefetch: int) -> None:
        """Start to connect and subscribe."""
        self._queue_name = queue
        self._user: str = parameters.credentials.username
        self._prefetch = prefetch
        self._arrived: Mailbox[Delivery] = Mailbox()
        self._channel: Channel | None = None
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

    def _subscribe(self, channel: Channel, number: int) -> None:
        if not channel.is_open:  # closed while the broker answered
            return

        def arrived(_channel: Channel, method: Any, properties: Any, body: bytes) -> None:
            self._arrived.put(delivery_of(number, method, properties, body, own=self._user))

        def subscribed(_frame: Any) -> None:
            self._channel = channel
            self._link.works()
            self._link.opened()

        channel.basic_consume(self._queue_name, arrived, callback=subscribed)

    def _lost(self) -> None:
        self._channel = None
