"""What marshmallow says of bad input, marked here so that it is in the catalogue."""

import re

from chassis.errors import N_

TEXTS = (
    N_("Missing data for required field."),
    N_("Field may not be null."),
    N_("Unknown field."),
    N_("Invalid input type."),
    N_("Not a valid string."),
    N_("Not a valid integer."),
    N_("Not a valid number."),
    N_("Not a valid boolean."),
    N_("Not a valid UUID."),
    N_("Not a valid date."),
    N_("Not a valid datetime."),
    N_("Not a valid email address."),
    N_("Not a valid list."),
    N_("Not a valid mapping type."),
    N_("Not a valid delimited list."),
)
#: Those with changing parts, which marshmallow has filled in before anybody else sees them.
_WITH_PARTS = (
    N_("Must be one of: %(choices)s."),
    N_("Must be greater than or equal to %(min)s and less than or equal to %(max)s."),
    N_("Must be greater than or equal to %(min)s."),
    N_("Must be less than or equal to %(max)s."),
    N_("Shorter than minimum length %(min)s."),
    N_("Longer than maximum length %(max)s."),
    N_("Length must be between %(min)s and %(max)s."),
)
_PATTERNS = [(text, re.compile(re.sub(r"%\\\((\w+)\\\)s", r"(?P<\1>.+)", re.escape(text)))) for text in _WITH_PARTS]


def taken_apart(text: str) -> tuple[str, dict[str, str]]:
    """Return the text as it is in the catalogue, and its changing parts; any other text as it is, without parts."""
    for original, pattern in _PATTERNS:
        if found := pattern.fullmatch(text):
            return original, found.groupdict()
    return text, {}
