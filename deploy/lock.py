"""One system per state folder: a lock, and the clean-up after a predecessor that was killed."""

import fcntl
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from deploy.errors import DeployError
from deploy.files import write_atomically
from deploy.programs import Identity, boot_id, end_session, identity_of, kill, wait_until_ended

#: Seconds: a system that is stopping has stopped by then.
_STOPPING_TIMEOUT = 20.0
#: Seconds that the programs of a killed predecessor get; they were told to end when it died.
_ORPHANS_GRACE = 10.0


class StateLock:
    """The right to run the system of this state folder, held as long as this process lives."""

    def __init__(self, state_dir: Path) -> None:
        """Take the state folder; nothing happens yet."""
        self._state_dir = state_dir
        self._record = state_dir / "processes.json"
        self._holder = state_dir / "up.json"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock, waiting for a system that is stopping. Raises DeployError if one runs and stays."""
        try:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self._state_dir / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise DeployError(
                f"The state folder {self._state_dir} cannot be used: {error.strerror}. If another user started this"
                f" system before, start it as that user; or choose another folder: ATES_STATE_DIR=<folder> make up"
            ) from error
        deadline = time.monotonic() + _STOPPING_TIMEOUT
        while not self._try():
            holder = _read(self._holder)
            # Without a word of the holder, it is about to write one, or is stopping.
            if holder or time.monotonic() > deadline:
                raise DeployError(
                    f"This system is running already (process {holder.get('pid', 'unknown')}, state folder"
                    f" {self._state_dir}). Stop it first; or start a second one beside it with another state folder"
                    f" and other ports: ATES_STATE_DIR=<folder> ATES_PORT_AUTH=... (see .env.example)"
                )
            time.sleep(0.1)
        try:
            write_atomically(self._holder, json.dumps({"pid": os.getpid()}))
        except OSError as error:
            raise DeployError(
                f"Nothing can be written to the state folder {self._state_dir}: {error.strerror}"
            ) from error

    def say_stopping(self) -> None:
        """Let whoever starts the next system know that this one will be gone soon. A full disk does not prevent it."""
        self._holder.unlink(missing_ok=True)

    def record(self, identities: Iterable[Identity]) -> None:
        """Note which processes are ours, for the one who comes after us."""
        rows = [{"pid": one.pid, "started": one.started} for one in identities]
        write_atomically(self._record, json.dumps({"boot": boot_id(), "processes": rows}))

    def end_orphans(self) -> None:
        """End what the predecessor noted and left: wait first, then kill. After a reboot nothing of it is left."""
        noted = _read(self._record)
        rows = noted["processes"] if noted.get("boot") == boot_id() else []
        orphans = [Identity(pid=row["pid"], started=row["started"]) for row in rows]
        for orphan in wait_until_ended(orphans, _ORPHANS_GRACE):
            kill(orphan.pid)
        wait_until_ended(orphans, _ORPHANS_GRACE)
        for orphan in orphans:
            # Workers may outlive their master. While they do, its number is nobody else's.
            if identity_of(orphan.pid) in (None, orphan):
                end_session(orphan.pid)
        self._record.unlink(missing_ok=True)

    def release(self) -> None:
        """Give the lock up: nothing of ours runs any more."""
        if self._descriptor is not None:
            self._record.unlink(missing_ok=True)
            self._holder.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _try(self) -> bool:
        assert self._descriptor is not None  # noqa: S101 -- the caller has opened it
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _read(path: Path) -> Mapping[str, Any]:
    """Return the object in the file: an empty one if there is none, as after a loss of power or of the holder."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
