"""What the broker sent as a delivery: whatever it can carry is read here, and can then be stored and sent on.

A broker carries more than pika reads (endless numbers, tables inside each other without an end, years after 9999), and
pika reads more than it writes. An error on the link's thread would cost the connection, and again whenever that message
is delivered: with it would wait all others.
"""

from struct import Struct
from typing import Any

import pika
from pika.exceptions import InvalidFrameError
from pika.frame import Header, decode_frame

from messaging.broker.encoding import header_field
from messaging.dead_letters.rules import OF_DEATH, trusted_headers
from messaging.transport import Delivery

#: Frame type, channel, length of the payload.
_FRAME = Struct(">BHI")
#: Class, weight, length of the body; the properties follow, with their flags first.
_CONTENT = Struct(">HHQ")
_FLAGS = Struct(">H")
_LENGTH = Struct(">I")

#: Bytes of headers that are taken from a message: half a frame.
_ROOM_FOR_HEADERS = 64 * 1024
#: Tables and lists inside each other, at most.
_MAX_DEPTH = 10
_TOO_DEEP = "..."


class _Properties(pika.BasicProperties):  # type: ignore[misc]
    """Properties without the headers, which cannot be read."""

    #: Why.
    unreadable = ""


def read_frame(buffer: bytes) -> tuple[int, Any]:
    """Return how many bytes the first frame has, and the frame, as `pika.frame.decode_frame` does."""
    try:
        found: tuple[int, Any] = decode_frame(buffer)
    except InvalidFrameError:
        raise
    except Exception as error:
        if buffer[0] != pika.spec.FRAME_HEADER:
            raise
        return _read_without_headers(buffer, error)
    return found


def delivery_of(connection: int, method: Any, properties: Any, body: bytes, *, own: str) -> Delivery:
    """Return what was delivered to the user `own` over that connection. Raises nothing, whatever it is."""
    user_id = _text(properties.user_id)
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
        headers=trusted_headers(_headers(properties.headers or {}), user_id=user_id, own=own),
        redelivered=bool(method.redelivered),
        user_id=user_id,
        unreadable=getattr(properties, "unreadable", ""),
    )


def _read_without_headers(buffer: bytes, why: Exception) -> tuple[int, Header]:
    _, channel, length = _FRAME.unpack_from(buffer)
    end = _FRAME.size + length
    content = buffer[_FRAME.size : end]
    _, _, body_size = _CONTENT.unpack_from(content)
    properties = _properties_without_headers(content[_CONTENT.size :])
    properties.unreadable = f"{type(why).__name__}: {why}"
    return end + pika.spec.FRAME_END_SIZE, Header(channel, body_size, properties)


def _properties_without_headers(encoded: bytes) -> _Properties:
    try:
        (flags,) = _FLAGS.unpack_from(encoded)
        start = _FLAGS.size
        for before in (_Properties.FLAG_CONTENT_TYPE, _Properties.FLAG_CONTENT_ENCODING):
            start += 1 + encoded[start] if flags & before else 0
        (length,) = _LENGTH.unpack_from(encoded, start)
        behind = start + _LENGTH.size + length
        properties = _Properties()
        properties.decode(encoded[:start] + _LENGTH.pack(0) + encoded[behind:])
    except Exception:  # noqa: BLE001 (then nothing can be said of them but that the message is none)
        return _Properties()
    return properties


def _headers(found: dict[str | bytes, Any]) -> dict[str, Any]:
    """Leave out what is too large: a message that is sent on has more headers than it came with, and one frame for all.

    A broker that is sent a larger frame closes the connection, and again whenever that message is tried again.
    Ours come first: a message that has lost them would be tried for ever.
    """
    named = {_text(name): value for name, value in found.items()}
    kept: dict[str, Any] = {}
    room = _ROOM_FOR_HEADERS
    for name in sorted(named, key=lambda name: name not in OF_DEATH):
        plain = _plain(named[name], _MAX_DEPTH)
        size = len(header_field(name, plain))
        if size <= room:
            room -= size
            kept[name] = plain
    return kept


def _text(value: str | bytes | None) -> str:
    """Return text that Postgres keeps. pika gives bytes where a foreign client sent what is no UTF-8."""
    text = value.decode(errors="ignore") if isinstance(value, bytes) else value or ""
    return text.replace("\0", "?")


def _plain(value: Any, depth: int) -> Any:
    """Make a header one that can be stored and sent on."""
    if isinstance(value, str | bytes):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) < 2**63:
        return int(value)
    if not isinstance(value, dict | list):
        return _text(str(value))
    if depth == 0:
        return _TOO_DEEP
    if isinstance(value, dict):
        return {_text(name): _plain(inner, depth - 1) for name, inner in value.items()}
    return [_plain(inner, depth - 1) for inner in value]
