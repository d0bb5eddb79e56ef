"""What the whole system weighs while nobody uses it: memory, processor time, and how long it takes to start.

Postgres and RabbitMQ with their children are not counted: only the processes of our own code, the supervisor included.
"""

import shutil
import signal
import time
from collections import defaultdict
from pathlib import Path

from tests.benchmarks.processes import cpu_seconds, kinds_of, megabytes
from tests.e2e.running import RunningSystem

#: Seconds from "ready" to the first look: caches are filled, first jobs are done.
_SETTLE = 20.0
#: Seconds over which processor time is counted.
_IDLE = 30.0


def weight_of_an_idle_system() -> list[tuple[str, str]]:
    """Start a new system twice, leave it alone, and return what was measured."""
    system = RunningSystem()
    try:
        first = _seconds_to_start(system)
        system.stop(signal.SIGINT)
        second = _seconds_to_start(system)
        time.sleep(_SETTLE)
        figures = figures_of(system.state_dir, seconds=_IDLE)
    finally:
        system.stop(signal.SIGINT)
        shutil.rmtree(system.state_dir, ignore_errors=True)
    started = [("`make up` until ready, empty databases", first), ("the same, second start", second)]
    return [*figures, *((what, f"{seconds:.1f} s") for what, seconds in started)]


def figures_of(state_dir: Path, *, seconds: float) -> list[tuple[str, str]]:
    """Measure the system of this state folder for so long, and return what is worth telling."""
    kinds = kinds_of(state_dir)
    before = {pid: cpu_seconds(pid) for pid in kinds}
    time.sleep(seconds)
    used = {pid: cpu_seconds(pid) - before[pid] for pid in kinds}
    memory = {pid: megabytes(pid) for pid in kinds}
    rows = [
        (f"processes of ours: {len(kinds)}, memory (PSS)", f"{sum(memory.values()):.0f} MB"),
        ("their processor time, idle", f"{100 * sum(used.values()) / seconds:.1f} % of a core"),
    ]
    by_kind: dict[str, list[int]] = defaultdict(list)
    for pid, kind in kinds.items():
        by_kind[kind].append(pid)
    for kind, pids in by_kind.items():
        each = ", ".join(f"{memory[pid]:.0f}" for pid in pids)
        share = 100 * sum(used[pid] for pid in pids) / seconds
        rows.append((f"{kind}: {len(pids)}", f"{each} MB; {share:.1f} % of a core"))
    return rows


def _seconds_to_start(system: RunningSystem) -> float:
    began = time.monotonic()
    system.launch()
    system.wait_until_ready()
    return time.monotonic() - began
