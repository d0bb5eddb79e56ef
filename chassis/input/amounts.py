"""Money that a person types, in dollars or in cents. Pure, so that the rules of every service can stand on it."""

import re

#: $1,000,000: no person moves more at once.
MAX_CENTS = 100_000_000

_AMOUNT = re.compile(r"(?P<minus>-?)\$?(?P<dollars>[0-9]{1,9})(\.(?P<cents>[0-9]{1,2}))?")


def is_amount(cents: int) -> bool:
    """Tell whether a person may move so many cents, one way or the other: something, and not more than MAX_CENTS."""
    return 1 <= abs(cents) <= MAX_CENTS


def cents_of(written: str) -> int | None:
    """Read an amount as people write it, `12.5` or `−$12,50`; None for what is no amount."""
    match = _AMOUNT.fullmatch(written.strip().replace("−", "-").replace(",", "."))
    if match is None:
        return None
    cents = int(match["dollars"]) * 100 + int((match["cents"] or "").ljust(2, "0"))
    return -cents if match["minus"] else cents


def dollars(cents: int) -> str:
    """Write an amount for a field of a form, where `cents_of` reads it: 1250 is `12.50`."""
    return f"{cents // 100}.{cents % 100:02}"
