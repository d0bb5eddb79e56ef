"""A message of a stranger's and all that a consumer does with it, without servers: what both fuzzers throw bytes at."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from struct import pack
from threading import Event as Flag
from typing import Any

import pika

from messaging import PermanentError, SchemaRegistry
from messaging.broker.decoding import delivery_of, read_frame
from messaging.broker.encoding import encode, publication
from messaging.dead_letters.messages import dead_message, living_message
from messaging.dead_letters.record import letter_ids, letter_values
from messaging.dead_letters.rules import label_of, revise
from messaging.errors import KillsTheProcess
from messaging.received import Received, attempts_so_far, read
from messaging.redirect import Redirector, lost_before
from messaging.tables import DeadLetter
from messaging.testing import StubBroker, StubPublisher
from messaging.topology import Topology
from messaging.transport import Delivery, Message

CHANNEL = 1
FRAME_MAX = 131_072
_CLASS_BASIC = 60


class _Kept(StubPublisher):
    """Keeps what is sent."""

    sent: Sequence[Message] = ()

    def send(self, messages: Sequence[Message]) -> None:
        self.sent = messages


class _Broker(StubBroker):
    def __init__(self) -> None:
        super().__init__()
        self.made = _Kept(self, lambda: None)

    def publisher(self, on_news: Callable[[], None] = lambda: None) -> _Kept:  # noqa: ARG002
        return self.made


def as_delivered(properties: bytes, body: bytes, routing_key: str | bytes = "shop.sold.v1") -> Delivery:
    """Return the delivery of a message with these properties, their flags first, as they stand on the wire."""
    content = pack(">HHQ", _CLASS_BASIC, 0, len(body)) + properties
    frame = pack(">BHI", pika.spec.FRAME_HEADER, CHANNEL, len(content)) + content + bytes((pika.spec.FRAME_END,))
    consumed, header = read_frame(frame + b"\1what comes next")
    assert (consumed, header.channel_number, header.body_size) == (len(frame), CHANNEL, len(body))
    method = pika.spec.Basic.Deliver("consumer", 1, False, "events", routing_key)
    return delivery_of(1, method, header.properties, body, own="warehouse")


def encounter(delivery: Delivery, registry: SchemaRegistry, subscribed: Sequence[str]) -> Received | PermanentError:
    """Read the message, then retry it and bury it. Fails for everything that would end a consumer or a desk."""
    outcome: Received | PermanentError
    try:
        outcome = read(delivery, service="warehouse", subscribed=subscribed, registry=registry)
    except PermanentError as error:
        outcome = error
    _can_be_tried_again(delivery)
    _can_be_buried(delivery, outcome if isinstance(outcome, PermanentError) else KillsTheProcess("twice"))
    _can_be_edited(delivery)
    return outcome


def _can_be_tried_again(delivery: Delivery) -> None:
    broker = _Broker()
    redirector = Redirector(broker, "warehouse", Topology((), (), ()), Flag())
    attempts = attempts_so_far(delivery)
    lost_before(delivery, timedelta(minutes=5))
    redirector.to_wait_queue(
        delivery, 200, datetime.now(UTC), attempts=attempts + 1, error=ValueError("\ud800\0" * 1000)
    )
    (message,) = broker.made.sent
    assert attempts_so_far(_over_the_wire(message)) >= max(1, attempts)  # else it would be tried for ever


def _can_be_buried(delivery: Delivery, error: PermanentError) -> None:
    values = letter_values(delivery, error, attempts=attempts_so_far(delivery) + 1)
    _can_be_stored(values)
    assert 0 < values["attempts"] < 2**31
    letter = DeadLetter(id=letter_ids(delivery)[0], deaths=1, body=delivery.body, replacement=None, **values)
    label = label_of(_over_the_wire(dead_message(letter, "warehouse")).headers)
    assert label is not None
    assert label.letter_id == letter.id
    _over_the_wire(living_message(letter, "warehouse"))


def _can_be_edited(delivery: Delivery) -> None:
    try:
        event = revise(letter_ids(delivery)[0], delivery.body, {"subject": "apples"}, delivery.correlation_id)
    except PermanentError:
        return
    letter = DeadLetter(id=event.id, headers={}, properties={}, replacement=event.to_bytes())
    _over_the_wire(living_message(letter, "warehouse"))


def _can_be_stored(value: Any) -> None:
    """Fail for what Postgres keeps in no column of text or JSON."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "\\u0000" not in text


def _over_the_wire(message: Message) -> Delivery:
    """Return the message as it comes back."""
    frames = publication(encode(message, user_id="warehouse"), channel=CHANNEL, frame_max=FRAME_MAX)
    consumed, _method = read_frame(frames)
    _, header = read_frame(frames[consumed:])
    method = pika.spec.Basic.Deliver("consumer", 1, False, message.exchange, message.routing_key)
    again = delivery_of(1, method, header.properties, message.body, own="warehouse")
    assert not again.unreadable
    return again
