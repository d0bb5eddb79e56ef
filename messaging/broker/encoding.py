"""A message as the bytes that publish it (AMQP 0-9-1, sections 2.3.5 and 4.2: https://www.rabbitmq.com/amqp-0-9-1-protocol).

pika builds them from some thirty objects and pieces, which was more than half of what an event cost the relay. What is
here has to give the very bytes that pika gives, and a test compares them.
"""

from collections.abc import Mapping
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

import pika
from pika.frame import Method

from messaging.errors import CannotBeEncoded
from messaging.transport import Message

_CLASS_BASIC = 60
_FRAME_HEADER, _FRAME_BODY = 2, 3
_FRAME_END = bytes((206,))
#: Frame type, channel, length of what follows up to the end of the frame.
_FRAME = Struct(">BHI")
#: The same, then class, weight (always 0), length of the body, and which properties follow.
_HEADER = Struct(">BHIHHQH")
_HEADER_LENGTH = _HEADER.size - _FRAME.size
#: A frame without its payload.
_FRAME_OVERHEAD = _FRAME.size + len(_FRAME_END)
_PERSISTENT = bytes((pika.DeliveryMode.Persistent.value,))
_LONG = Struct(">I")
_TIMESTAMP = Struct(">Q")
_SMALL = range(-(2**31), 2**31)
_INTEGER = Struct(">ci")

_CONTENT_TYPE, _HEADERS, _DELIVERY_MODE, _CORRELATION_ID = 1 << 15, 1 << 13, 1 << 12, 1 << 10
_MESSAGE_ID, _TIMESTAMPED, _TYPE, _USER_ID, _APP_ID = 1 << 7, 1 << 6, 1 << 5, 1 << 4, 1 << 3

#: Bytes of all properties: they have to fit into one frame, of 128 KiB unless the broker's administrator wants less.
_MAX_PROPERTIES = 128 * 1024 - _HEADER.size - len(_FRAME_END)


class Encoded(NamedTuple):
    """A message of which nothing is left that could fail: made where it is sent, written where the connection is."""

    tag: int
    message_id: str
    exchange: str
    routing_key: str
    #: Which properties there are.
    flags: int
    properties: bytes
    body: bytes


def encode(message: Message, *, user_id: str) -> Encoded:
    """Return the message encoded as far as it can be without a connection. Raises CannotBeEncoded.

    `user_id`: who is signed in; the broker takes no other.
    """
    try:
        flags, properties = _properties(message, user_id)
        _method(message.exchange, message.routing_key, channel=1)
    except Exception as error:
        raise CannotBeEncoded(f"{message.type} {message.message_id}: {error!r}") from error
    if len(properties) > _MAX_PROPERTIES:
        why = f"its properties have {len(properties)} bytes, and one frame holds {_MAX_PROPERTIES}"
        raise CannotBeEncoded(f"{message.type} {message.message_id}: {why}")
    return Encoded(
        message.tag, message.message_id, message.exchange, message.routing_key, flags, properties, message.body
    )


def publication(message: Encoded, *, channel: int, frame_max: int) -> bytes:
    """Return all frames of `basic.publish`, mandatory and persistent, each of at most `frame_max` bytes."""
    properties, body = message.properties, message.body
    length = _HEADER_LENGTH + len(properties)
    frames = [
        _method(message.exchange, message.routing_key, channel=channel),
        _HEADER.pack(_FRAME_HEADER, channel, length, _CLASS_BASIC, 0, len(body), message.flags),
        properties,
        _FRAME_END,
    ]
    room = frame_max - _FRAME_OVERHEAD
    for start in range(0, len(body), room):
        part = body[start : start + room]
        frames += (_FRAME.pack(_FRAME_BODY, channel, len(part)), part, _FRAME_END)
    return b"".join(frames)


@lru_cache(maxsize=1024)
def _method(exchange: str, routing_key: str, *, channel: int) -> bytes:
    method = pika.spec.Basic.Publish(exchange=exchange, routing_key=routing_key, mandatory=True)
    marshalled: bytes = Method(channel, method).marshal()
    return marshalled


def _properties(message: Message, user_id: str) -> tuple[int, bytes]:
    """Return which properties there are, and their values in the order of the flags."""
    flags = _CONTENT_TYPE | _DELIVERY_MODE | _USER_ID
    values = [_name(message.content_type)]
    if message.headers:
        flags |= _HEADERS
        values.append(_table(message.headers))
    values.append(_PERSISTENT)
    if message.correlation_id:
        flags |= _CORRELATION_ID
        values.append(_short(message.correlation_id))
    if message.message_id:
        flags |= _MESSAGE_ID
        values.append(_short(message.message_id))
    if message.timestamp is not None:
        flags |= _TIMESTAMPED
        values.append(_TIMESTAMP.pack(message.timestamp))
    if message.type:
        flags |= _TYPE
        values.append(_name(message.type))
    values.append(_name(user_id))
    if message.app_id:
        flags |= _APP_ID
        values.append(_name(message.app_id))
    return flags, b"".join(values)


def header_field(name: str, value: Any) -> bytes:
    """Return a header as it stands in their table."""
    return _name(name) + _value(value)


def _table(headers: Mapping[str, Any]) -> bytes:
    fields = b"".join([header_field(name, value) for name, value in headers.items()])
    return _LONG.pack(len(fields)) + fields


def _value(value: Any) -> bytes:
    if type(value) is str:
        text = value.encode()
        return b"S" + _LONG.pack(len(text)) + text
    if type(value) is int and value in _SMALL:
        return _INTEGER.pack(b"I", value)
    pieces: list[bytes] = []  # what an event never has, and a message of somebody else's may
    pika.data.encode_value(pieces, value)
    return b"".join(pieces)


@lru_cache(maxsize=1024)
def _name(text: str) -> bytes:
    """Return what the next message is likely to have as well."""
    return _short(text)


def _short(text: str) -> bytes:
    encoded = text.encode()
    return bytes((len(encoded),)) + encoded
