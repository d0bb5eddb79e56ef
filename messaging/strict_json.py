"""JSON as it travels: what was read can be written again, and what was written can be read.

Python reads and writes more than RFC 8259 has (NaN, halves of surrogate pairs), and not as deep as it allows: how deep
depends on how deep the reader stands itself.
"""

import json
import math
from collections.abc import Iterable

#: Objects and lists inside each other, at most.
MAX_DEPTH = 100


def read_json(body: bytes) -> object:
    """Return what the JSON says. Raises ValueError for what is none, or could not be written again."""
    text = body.decode()
    try:
        found: object = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    _refuse_too_deep(found, text)
    if "\\u" in text:
        _refuse_half_pairs(found)
    return found


def write_json(value: object) -> bytes:
    """Return the value as compact JSON. Raises ValueError for what JSON has not, or could not be read again."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    _refuse_too_deep(value, text)
    return text.encode()


def _refuse_too_deep(value: object, text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:  # nearly always, and quickly seen
        return
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not level:
            return
    raise ValueError(_TOO_DEEP)


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _refuse_half_pairs(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ValueError("half of a surrogate pair is no text") from error


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:20]} is too large a number")
    return number


_TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, parse_float=_finite)
