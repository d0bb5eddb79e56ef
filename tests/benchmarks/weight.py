"""What the whole system weighs while nobody uses it: memory, processor time, and how long it takes to start.

Memory is the proportional set size: a page that several processes share counts once, in parts (proc(5), smaps_rollup).
Postgres and RabbitMQ with their children are not counted: only the processes of our own code, the supervisor included.
"""

import json
import os
import shutil
import signal
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from deploy.programs import processes
from tests.e2e.running import RunningSystem

#: Those of run.json that are no code of ours.
_SERVERS = ("postgres", "rabbitmq")
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
    kinds = _kinds(state_dir)
    before = {pid: _cpu_seconds(pid) for pid in kinds}
    time.sleep(seconds)
    used = {pid: _cpu_seconds(pid) - before[pid] for pid in kinds}
    memory = {pid: _pss(pid) for pid in kinds}
    rows = [
        (f"processes of ours: {len(kinds)}, memory (PSS)", f"{sum(memory.values()):.0f} MB"),
        ("their processor time, idle", f"{100 * sum(used.values()) / seconds:.1f} % of a core"),
    ]
    by_kind: dict[str, list[int]] = defaultdict(list)
    for pid, kind in kinds.items():
        by_kind[kind].append(pid)
    for kind, pids in by_kind.items():
        megabytes = ", ".join(f"{memory[pid]:.0f}" for pid in pids)
        share = 100 * sum(used[pid] for pid in pids) / seconds
        rows.append((f"{kind}: {len(pids)}", f"{megabytes} MB; {share:.1f} % of a core"))
    return rows


def _kinds(state_dir: Path) -> dict[int, str]:
    """Return all processes of our code with the kind of each: also those that they have started."""
    run = json.loads((state_dir / "run.json").read_text())
    leaders = {one["pid"]: one["name"].partition(".")[2] for one in run["processes"] if one["name"] not in _SERVERS}
    kinds: dict[int, str] = dict(leaders)
    for pid in processes():
        leader = _session(pid)
        if leader in leaders and pid != leader:
            kinds[pid] = f"started by {leaders[leader]}"
    return {json.loads((state_dir / "up.json").read_text())["pid"]: "supervisor"} | kinds


def _session(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:  # it has ended meanwhile
        return None


def _cpu_seconds(pid: int) -> float:
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss(pid: int) -> float:
    """Return megabytes."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text())["Pss"] / 1000


def _kilobytes(text: str) -> Mapping[str, int]:
    lines = (line.split() for line in text.splitlines() if line.endswith("kB"))
    return {words[0].rstrip(":"): int(words[1]) for words in lines}


def _seconds_to_start(system: RunningSystem) -> float:
    began = time.monotonic()
    system.launch()
    system.wait_until_ready()
    return time.monotonic() - began
