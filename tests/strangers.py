"""A message of a stranger's and all that a consumer does with it, without servers: what both fuzzers throw bytes at."""

import json
from collections.abc import Sequence
from struct import pack
from typing import Any

import pika

from messaging import PermanentError, SchemaRegistry
from messaging.broker.decoding import delivery_of as as_received
from messaging.broker.decoding import read_frame
from messaging.broker.encoding import encode, publication
from messaging.dead_letters.messages import dead_message
from messaging.dead_letters.rules import label_of, revise
from messaging.errors import KillsTheProcess
from messaging.held.rows import delivery_of, message_values, row_ids
from messaging.received import Received, read
from messaging.tables import HeldMessage
from messaging.text import storable
from messaging.transport import Delivery, Message

CHANNEL = 1
FRAME_MAX = 131_072
_CLASS_BASIC = 60


def as_delivered(properties: bytes, body: bytes, routing_key: str | bytes = "shop.sold.v1") -> Delivery:
    """Return the delivery of a message with these properties, their flags first, as they stand on the wire."""
    content = pack(">HHQ", _CLASS_BASIC, 0, len(body)) + properties
    frame = pack(">BHI", pika.spec.FRAME_HEADER, CHANNEL, len(content)) + content + bytes((pika.spec.FRAME_END,))
    consumed, header = read_frame(frame + b"\1what comes next")
    assert (consumed, header.channel_number, header.body_size) == (len(frame), CHANNEL, len(body))
    method = pika.spec.Basic.Deliver("consumer", 1, False, "events", routing_key)
    return as_received(1, method, header.properties, body, own="warehouse")


def encounter(delivery: Delivery, registry: SchemaRegistry, subscribed: Sequence[str]) -> Received | PermanentError:
    """Read the message, then hold it, bury it and edit it. Fails for everything that would end a consumer."""
    outcome: Received | PermanentError
    try:
        outcome = read(delivery, service="warehouse", subscribed=subscribed, registry=registry)
    except PermanentError as error:
        outcome = error
    _can_be_held(delivery, outcome if isinstance(outcome, PermanentError) else KillsTheProcess("twice"))
    _can_be_edited(delivery)
    return outcome


def _can_be_held(delivery: Delivery, error: PermanentError) -> None:
    values = message_values(delivery)
    why = {"reason": error.reason, "detail": storable(str(error)), "attempts": 1}
    _can_be_stored({name: value for name, value in values.items() if name != "body"} | why)
    row = HeldMessage(id=row_ids(delivery)[0], deaths=1, **values, **why)
    label = label_of(_over_the_wire(dead_message(row, row.body, "warehouse")).headers)
    assert label is not None
    assert label.letter_id == row.id
    assert delivery_of(row, "warehouse").body == delivery.body


def _can_be_edited(delivery: Delivery) -> None:
    try:
        event = revise(row_ids(delivery)[0], delivery.body, {"subject": "apples"}, delivery.correlation_id)
    except PermanentError:
        return
    event.to_bytes()


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
    again = as_received(1, method, header.properties, message.body, own="warehouse")
    assert not again.unreadable
    return again
