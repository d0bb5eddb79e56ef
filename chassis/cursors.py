"""Opaque cursors: the values of a list's keys at some item, for those only who ask for the same list.

`chassis.paging` makes and reads them. A cursor is a version, a digest of the list, and the values; anything else is
refused.
"""

import base64
import json
import zlib
from collections.abc import Callable, Mapping
from datetime import date, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from chassis.errors import N_, Invalid
from chassis.input.days import is_possible, read_day
from chassis.input.fields import BIGGEST_NUMBER
from chassis.input.text import is_text
from messaging.strict_json import read_json

#: Grows when cursors say something else than they did: older ones are refused then.
_VERSION = 2


def encode_cursor(of: str, *values: Any) -> str:
    """Return an opaque cursor of this list, which holds the values."""
    kept = [value if isinstance(value, int) else str(value) for value in values]
    text = json.dumps([_VERSION, _digest(of), *kept], ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str, of: str, *kinds: type) -> list[Any]:
    """Return the values of a cursor, each of the kind named: int, str, UUID, date or datetime.

    Raises Invalid if it is none of ours, or of another list.
    """
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        found = read_json(text)
        if isinstance(found, list) and found[:2] == [_VERSION, _digest(of)]:
            return [_READ[kind](value) for kind, value in zip(kinds, found[2:], strict=True)]
    except (ValueError, TypeError) as error:
        raise wrong_cursor() from error
    raise wrong_cursor()


def wrong_cursor() -> Invalid:
    """Return the refusal of a cursor."""
    message = N_("This cursor does not belong to this list.")
    return Invalid(message, errors={"cursor": [message]})


def _digest(of: str) -> int:
    return zlib.crc32(of.encode())


def _text(value: object) -> str:
    if not isinstance(value, str) or not is_text(value):
        raise ValueError("no text that a key can have")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > BIGGEST_NUMBER:
        raise ValueError("no number that a key can have")
    return value


def _moment(value: object) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None or not is_possible(moment.date()):
        raise ValueError("no moment that a key can have")
    return moment


_READ: Mapping[type, Callable[[Any], Any]] = MappingProxyType(
    {
        int: _number,
        str: _text,
        UUID: lambda value: UUID(_text(value)),
        date: lambda value: read_day(_text(value)),
        datetime: _moment,
    }
)
