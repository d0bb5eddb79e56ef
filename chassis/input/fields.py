"""Marshmallow fields for what programs and pages send."""

from typing import Any

from marshmallow import ValidationError, fields, validate

from chassis.errors import N_
from chassis.input.days import read_day
from chassis.input.text import is_text

#: The largest number that Postgres keeps in a bigint.
BIGGEST_NUMBER = 2**63 - 1
_FILTER_LENGTH = 500

_NO_TEXT = N_("This has characters that are not text.")


class Day(fields.Date):
    """A business day, YYYY-MM-DD."""

    DESERIALIZATION_FUNCS = {"iso": read_day}  # noqa: RUF012 (marshmallow's own is no ClassVar)


class Text(fields.String):
    """A text to look for: nothing that no database could have kept."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=[validate.Length(max=_FILTER_LENGTH), _check_text], **kwargs)


def _check_text(text: str) -> None:
    if not is_text(text):
        raise ValidationError(_NO_TEXT)
