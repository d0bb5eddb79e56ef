"""The processes of a service as they run in earnest, for tests that kill them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from chassis.settings import REPOSITORY, Settings


def variables(settings: Settings) -> dict[str, str]:
    """Return what a process is told by its environment, so that it has these settings."""
    prefix = settings.service.upper()
    return {
        f"{prefix}_DATABASE_URL": settings.database_url,
        f"{prefix}_AMQP_URL": settings.amqp_url,
        f"{prefix}_SECRET_KEY": settings.secret_key,
        "ATES_URL_AUTH": settings.public_urls["auth"],
        "ATES_STATE_DIR": str(settings.state_dir),
    }


@contextmanager
def running(
    service: str, kind: str, told: Mapping[str, str], *, folder: Path = REPOSITORY
) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m tracker_service relay`, and so on; it is killed at the end unless it is dead by then."""
    command = [sys.executable, "-m", f"{service}_service", kind]
    with subprocess.Popen(
        command, cwd=folder, env=os.environ | told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.kill()
