"""Files under the state folder: letters, beaks, logs and passwords are nobody's business but ours."""

import os
import stat
from pathlib import Path

_FOLDER, _FILE = 0o700, 0o600


def keep_files_private() -> None:
    """Close every file and folder that this process and its children will make to all other users."""
    os.umask(0o777 & ~_FOLDER)


def private_folder(folder: Path) -> Path:
    """Return the folder, made if need be. One that was open to others is closed, with the files that are in it."""
    folder.mkdir(mode=_FOLDER, parents=True, exist_ok=True)
    if stat.S_IMODE(folder.stat().st_mode) != _FOLDER:
        folder.chmod(_FOLDER)
        for file in folder.iterdir():
            if file.is_file() and not file.is_symlink():
                file.chmod(_FILE)
    return folder
