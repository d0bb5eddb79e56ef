"""Writing files that somebody else may be reading."""

import os
from pathlib import Path


def write_atomically(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Write the file so that a reader finds the old text or the new one, never half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.touch(mode=mode)  # before the text, which may be a secret, is in it
        new.chmod(mode)
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)  # half of it takes room on a disk that may be full
        raise
