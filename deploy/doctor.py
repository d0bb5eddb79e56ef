"""`./ates doctor`: can the system be started here? Asked before the first start, when there may be no environment yet.

So it needs nothing but Python's own library. What `make up` installs by itself is no fault.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from deploy.ports import is_free

REPOSITORY = Path(__file__).resolve().parent.parent

#: The variables that name ports, with what they are otherwise; as `deploy.settings` has them.
PORTS = {
    "ATES_PORT_AUTH": 8001,
    "ATES_PORT_TRACKER": 8002,
    "ATES_PORT_BILLING": 8003,
    "ATES_PORT_ANALYTICS": 8004,
    "ATES_PG_PORT": 5433,
    "ATES_AMQP_PORT": 5672,
    "ATES_RABBITMQ_MANAGEMENT_PORT": 15672,
}
_POSTGRES = (14,)
_RABBITMQ = (3, 10)
#: Bytes that have to be free: two servers that have just begun, logs, the Python environment.
_DISK = 2_000_000_000
#: No clock is right that shows another year.
_YEARS = range(2026, 2100)
_TOOLS = ("make", "setpriv", "flock")
_RABBITMQ_HOMES = ("/usr/lib/rabbitmq", "/opt/rabbitmq")


@dataclass(frozen=True)
class Finding:
    """What a look at one thing has shown."""

    name: str
    well: bool
    detail: str
    #: What to do; empty if nothing has to be done.
    remedy: str = ""


def examine(environment: Mapping[str, str]) -> list[Finding]:
    """Look at everything, in the order in which a start would need it."""
    variables = {**_env_file(), **environment}
    state_dir = (REPOSITORY / (variables.get("ATES_STATE_DIR") or "var")).resolve()
    return [
        *_python(),
        *_tools(),
        _server("Postgres", "postgresql", _postgres_version(), _POSTGRES),
        _server("RabbitMQ", "rabbitmq-server", _rabbitmq_version(variables), _RABBITMQ),
        _state_folder(state_dir),
        _disk(state_dir),
        *_clock(variables),
        *_ports(variables, state_dir),
    ]


def report(findings: Sequence[Finding], *, as_json: bool) -> int:
    """Print what was found; return 0 if all is well, otherwise 1."""
    well = all(finding.well for finding in findings)
    if as_json:
        print(json.dumps({"well": well, "checks": [asdict(finding) for finding in findings]}, indent=1))
    else:
        width = max(len(finding.name) for finding in findings)
        for finding in findings:
            told = f"{finding.detail}. {finding.remedy}" if finding.remedy else finding.detail
            print(f"{'ok ' if finding.well else 'BAD'}  {finding.name:<{width}}  {told}")
    return 0 if well else 1


def main() -> int:
    """Examine this machine and tell what was found."""
    arguments = argparse.ArgumentParser(prog="ates doctor", description="Can the system be started here?")
    arguments.add_argument("--json", action="store_true", dest="as_json", help="Answer in JSON.")
    as_json: bool = arguments.parse_args().as_json
    return report(examine(os.environ), as_json=as_json)


def _env_file() -> dict[str, str]:
    path = REPOSITORY / ".env"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    named = (line.partition("=") for line in lines if "=" in line and not line.lstrip().startswith("#"))
    return {name.strip(): value.strip().strip("'\"") for name, _, value in named}


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("Python", True, f"{version} ({sys.executable})")
    made = (REPOSITORY / ".venv" / "bin" / "python").exists()
    if made:
        yield Finding("Python environment", True, "it is there; `make up` brings it up to date")
    elif subprocess.run([sys.executable, "-c", "import ensurepip, venv"], capture_output=True, check=False).returncode:
        yield _missing("Python environment", "python3-venv")
    else:
        yield Finding("Python environment", True, "`make up` makes it, and needs a network or a mirror for that")


def _tools() -> Iterator[Finding]:
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        remedy = "On Debian: apt-get install make util-linux"
        yield Finding("tools", False, f"missing: {', '.join(missing)}", remedy)
    else:
        yield Finding("tools", True, ", ".join(_TOOLS))


def _server(name: str, package: str, found: tuple[int, ...] | None, needed: tuple[int, ...]) -> Finding:
    if found is None:
        return _missing(name, package)
    version, least = (".".join(map(str, numbers)) for numbers in (found, needed))
    if found and found < needed:
        return Finding(name, False, f"version {version} is too old", f"Install {least} or newer.")
    return Finding(name, True, f"version {version}" if found else "it is there, its version is not known")


def _missing(name: str, package: str) -> Finding:
    """Whether what is missing can be installed by `make up` itself."""
    may_install = os.geteuid() == 0 or shutil.which("sudo") is not None
    if shutil.which("apt-get") is None:
        return Finding(name, False, "it is not installed", "Install it in this machine's own way.")
    if not may_install:
        return Finding(name, False, "it is not installed", f"Have somebody run: apt-get install {package}")
    return Finding(name, True, f"it is not installed; `make up` installs Debian's {package}")


def _postgres_version() -> tuple[int, ...] | None:
    installed = [_numbers(path.parent.parent.name) for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    if installed:
        return max(installed)
    on_path = shutil.which("postgres")
    if on_path is None:
        return None
    return _numbers(subprocess.run([on_path, "--version"], capture_output=True, text=True, check=False).stdout)


def _rabbitmq_version(variables: Mapping[str, str]) -> tuple[int, ...] | None:
    """Read it from the name of a folder: a node that says it has to be started for that."""
    chosen = variables.get("ATES_RABBITMQ_SERVER")
    homes = [Path(chosen).resolve().parent.parent] if chosen else [Path(home) for home in _RABBITMQ_HOMES]
    homes = [home for home in homes if any((home / bin / "rabbitmq-server").exists() for bin in ("bin", "sbin"))]
    if not homes:
        return None
    folders = [homes[0].name, *(path.name for path in homes[0].glob("lib/rabbitmq_server-*"))]
    folders += [path.name for path in homes[0].glob("plugins/rabbit-[0-9]*")]
    return max((_numbers(folder) for folder in folders), default=())


def _numbers(text: str) -> tuple[int, ...]:
    found = re.search(r"\d+(\.\d+)*", text)
    return tuple(int(number) for number in found[0].split(".")) if found else ()


def _state_folder(state_dir: Path) -> Finding:
    name, other = "state folder", "Choose another folder: ATES_STATE_DIR=<folder>"
    there = _nearest(state_dir)
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        return Finding(name, False, f"nothing can be written to {there}: {error.strerror}", other)
    for path in (state_dir / "secrets.json", state_dir / "postgres"):
        if path.exists() and not os.access(path, os.R_OK):
            owner = f"{path} belongs to {path.owner()}"
            return Finding(name, False, owner, f"Start the system as the user who did so before. {other}")
    return Finding(name, True, str(state_dir))


def _disk(state_dir: Path) -> Finding:
    free = shutil.disk_usage(_nearest(state_dir)).free
    detail = f"{free / 1e9:.1f} GB are free for {state_dir}"
    remedy = "" if free >= _DISK else f"Make room: {_DISK / 1e9:.0f} GB are needed to begin with."
    return Finding("disk", free >= _DISK, detail, remedy)


def _nearest(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.is_dir())


def _clock(variables: Mapping[str, str]) -> Iterator[Finding]:
    now = datetime.now(UTC)
    right = now.year in _YEARS
    remedy = "" if right else "Set the clock: business days are closed by it."
    yield Finding("clock", right, f"{now:%Y-%m-%d %H:%M} UTC", remedy)
    zone = variables.get("BUSINESS_TIMEZONE") or "Europe/Moscow"
    try:
        local = now.astimezone(ZoneInfo(zone))
    except (KeyError, ValueError, OSError):
        remedy = "Correct BUSINESS_TIMEZONE, or install the package tzdata."
        yield Finding("time zone", False, f"{zone} is not known here", remedy)
    else:
        yield Finding("time zone", True, f"{zone}, where it is {local:%Y-%m-%d %H:%M}")


def _ports(variables: Mapping[str, str], state_dir: Path) -> Iterator[Finding]:
    if (state_dir / "run.json").exists():
        yield Finding("ports", True, "the system runs and has them, or was killed: see ./ates status")
        return
    taken: dict[int, str] = {}
    for variable, default in PORTS.items():
        text = variables.get(variable) or str(default)
        if not text.isdecimal() or not 1 <= int(text) <= 65535:
            yield Finding(variable, False, f"{text!r} is no port", "Choose one from 1 to 65535.")
            continue
        port = int(text)
        remedy = f"Stop who has it (ss -ltnp 'sport = :{port}'), or choose another: {variable}=<port>"
        if port in taken:
            yield Finding(variable, False, f"{port} is {taken[port]} already", remedy)
        elif is_free(port):
            yield Finding(variable, True, f"{port} is free")
        else:
            yield Finding(variable, False, f"{port} is taken by another program", remedy)
        taken[port] = variable


if __name__ == "__main__":
    sys.exit(main())
