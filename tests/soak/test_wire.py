"""Five minutes of bytes, which find their way to whatever reads a message, end nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.settings import REPOSITORY

SECONDS = 300


@pytest.mark.soak
@pytest.mark.timeout(2 * SECONDS)
def test_nothing_that_a_broker_can_carry_ends_a_consumer(tmp_path: Path) -> None:
    limits = [f"-max_total_time={SECONDS}", "-timeout=10", "-max_len=20000", f"-artifact_prefix={tmp_path}/"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.soak.fuzz_wire", str(tmp_path / "corpus"), *limits],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr[-5000:]}\n{done.stdout[-5000:]}"
