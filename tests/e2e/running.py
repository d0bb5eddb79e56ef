"""Starts the whole system as `make up` does, in a folder and on ports of its own, and looks at what it leaves."""

import json
import os
import signal
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.ports import pick_free
from deploy.settings import REPOSITORY, load_deployment
from tests.waiting import eventually

STOP_TIMEOUT = 60


class RunningSystem:
    """One copy of the system: it can be started, stopped and killed any number of times, and keeps its data."""

    def __init__(self) -> None:
        """Choose a folder and ports; nothing is started."""
        # Not pytest's own temporary folder: the users that the servers run as cannot reach that one.
        self.state_dir = Path(tempfile.mkdtemp(prefix="ates-e2e-"))
        variables = list(load_deployment({}).ports)
        self.ports = dict(zip(variables, pick_free(len(variables)), strict=True))
        self._timezone = _zone_with_noon(datetime.now(UTC))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def run_file(self) -> Path:
        """Return where run.json is while the system is ready."""
        return self.state_dir / "run.json"

    @property
    def output(self) -> str:
        """Return what it has printed so far."""
        return (self.state_dir / "output").read_text()

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """Return the process in the foreground."""
        assert self._process is not None
        return self._process

    def launch(self, *command: str) -> subprocess.Popen[bytes]:
        """Start it in a session of its own and return at once. Its output begins anew."""
        environment = os.environ | {name: str(port) for name, port in self.ports.items()}
        environment |= {"ATES_STATE_DIR": str(self.state_dir), "BUSINESS_TIMEZONE": self._timezone}
        environment["SMTP_URL"] = ""  # whatever `.env` says: letters stay in the state folder
        with (self.state_dir / "output").open("wb") as output:
            self._process = subprocess.Popen(
                # Tests that are killed take it along. And whoever runs them in the background lets them, and so make,
                # ignore SIGINT: not here.
                ("setpriv", "--pdeathsig=TERM", "--", *(command or ("env", "--default-signal=INT", "make", "up"))),
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._process

    def wait_until_ready(self) -> dict[str, Any]:
        """Return the content of run.json once there is one that was written after the start."""
        process = self.process

        def ready() -> dict[str, Any]:
            if process.poll() is not None:
                raise RuntimeError(f"it ended:\n{self.output}")
            assert "aTES is ready" in self.output, self.output
            found: dict[str, Any] = json.loads(self.run_file.read_text())
            return found

        return eventually(ready)

    def stop(self, number: signal.Signals) -> int:
        """Send the signal to the process in the foreground alone and return its exit code when it has ended."""
        self.process.send_signal(number)
        return self.process.wait(STOP_TIMEOUT)

    def left_over(self) -> list[str]:
        """Return the processes that belong to this copy: by their environment, words or working directory."""
        mark = str(self.state_dir).encode()
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if not entry.name.isdecimal() or int(entry.name) == os.getpid():
                    continue
                words = (entry / "cmdline").read_bytes()
                place = os.fsencode((entry / "cwd").readlink())
                if mark in words or mark in place or mark in (entry / "environ").read_bytes():
                    found.append(f"{entry.name} {words.replace(bytes(1), b' ').decode(errors='replace')[:100]}")
            except OSError:  # it has ended meanwhile, or is waiting to be reaped
                continue
        return found


def _zone_with_noon(now: datetime) -> str:
    """Return a time zone in which it is about noon, so that no business day ends while the system runs."""
    west = now.hour - 12
    return f"Etc/GMT{west:+d}"  # in these names, plus is west of Greenwich
