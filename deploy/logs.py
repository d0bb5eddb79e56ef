"""Logs of programs that never reopen them: a large one is copied and cut, since they write to its end (O_APPEND)."""

import os
import shutil
from pathlib import Path

#: A log over that many bytes is rotated.
LIMIT = 10_000_000
#: How many old logs are kept: `x.log.1` is the latest of them.
KEPT = 3


def rotate_if_large(log: Path) -> None:
    """Make room if the log is large. Raises OSError if what was in it could not be kept; the log is cut even then.

    A line that is written between the copying and the cutting is lost.
    """
    if not log.exists() or log.stat().st_size <= LIMIT:
        return
    old = [log.with_name(f"{log.name}.{number}") for number in range(1, KEPT + 1)]
    old[-1].unlink(missing_ok=True)  # first of all: a full disk gets the room for the copy by that
    for newer, older in zip(reversed(old[:-1]), reversed(old[1:]), strict=True):
        if newer.exists():
            newer.replace(older)
    try:
        shutil.copyfile(log, old[0])
    except OSError as error:
        old[0].unlink(missing_ok=True)
        raise OSError(f"{log} is cut, and what was in it could not be kept: {error}") from error
    finally:
        os.truncate(log, 0)
