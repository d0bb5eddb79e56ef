"""What `make up` tells whoever started it."""

from contextlib import suppress


def say(text: str) -> None:
    """Print the text. If it cannot be written, it is lost: a terminal that is gone, or a full disk that the output goes
    to, must end nothing."""
    with suppress(OSError):
        print(text, flush=True)
