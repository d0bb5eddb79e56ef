"""When a letter that could not be delivered is tried again."""

from datetime import timedelta

#: After so many attempts a letter is given up; the last is about three hours after the first.
ATTEMPTS = 9
_FIRST = timedelta(minutes=1)
_LONGEST = timedelta(hours=1)


def wait_after(attempts: int) -> timedelta | None:
    """Return how long to wait after so many failed attempts: doubling up to an hour; None when there is no more."""
    if attempts >= ATTEMPTS:
        return None
    doublings: int = 2 ** (attempts - 1)
    return min(_FIRST * doublings, _LONGEST)
