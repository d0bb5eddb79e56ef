"""Writing files that somebody else may be reading, and closing those that nobody else should read."""

import os
from pathlib import Path

from chassis.files import private_folder

#: What a state folder may hold from a time when not all of it was private. The servers look after their own.
_FOLDERS = ("beaks", "jwks", "letters", "logs")
_PEOPLE = "people.json"


def close_to_others(state_dir: Path) -> None:
    """Let nobody else read what earlier versions left open. The state folder itself may be anybody's."""
    for name in _FOLDERS:
        if (state_dir / name).is_dir():
            private_folder(state_dir / name)
    if (state_dir / _PEOPLE).exists():
        (state_dir / _PEOPLE).chmod(0o600)


def write_atomically(path: Path, text: str, *, mode: int = 0o600) -> None:
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
