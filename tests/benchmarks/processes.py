"""What the processes of a running system take: proc(5)."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from deploy.programs import processes

#: Those of run.json that are no code of ours.
_SERVERS = ("postgres", "rabbitmq")


def kinds_of(state_dir: Path, *, servers: bool = False) -> dict[int, str]:
    """Return all processes of our code with the kind of each, and with `servers` Postgres and RabbitMQ with theirs."""
    run = json.loads((state_dir / "run.json").read_text())
    leaders = {
        one["pid"]: one["name"].partition(".")[2] or one["name"]
        for one in run["processes"]
        if servers or one["name"] not in _SERVERS
    }
    kinds: dict[int, str] = dict(leaders)
    parents = {pid: _parent(pid) for pid in processes()}
    for pid in parents:
        leader = next((each for each in _ancestors(pid, parents) if each in leaders), None)
        if leader is not None:
            kinds[pid] = leaders[leader] if leaders[leader] in _SERVERS else f"started by {leaders[leader]}"
    return {json.loads((state_dir / "up.json").read_text())["pid"]: "supervisor"} | kinds


def cpu_seconds(pid: int) -> float:
    """Return how long it has had a processor."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def megabytes(pid: int) -> float:
    """Return its proportional set size: a page that several processes share counts once, in parts."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text())["Pss"] / 1000


def _ancestors(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid


def _parent(pid: int) -> int:
    try:
        return int(_stat(pid)[1])
    except OSError:  # it has ended meanwhile
        return 0


def _stat(pid: int) -> list[str]:
    text = Path(f"/proc/{pid}/stat").read_text()
    return text[text.rindex(")") + 2 :].split()


def _kilobytes(text: str) -> Mapping[str, int]:
    lines = (line.split() for line in text.splitlines() if line.endswith("kB"))
    return {words[0].rstrip(":"): int(words[1]) for words in lines}
