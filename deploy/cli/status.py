"""`./ates status`: what runs, where, and whether events flow."""

import os
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import requests

from deploy.cli.needs import Need, needs_of_books, needs_of_processes, needs_of_services
from deploy.cli.output import json_option, print_json, print_table
from deploy.cli.running import living, open_database, running_system
from deploy.errors import DeployError
from deploy.processes import all_process_names
from deploy.run_file import Run
from deploy.settings import load_deployment
from messaging import outbox_status
from messaging.dead_letters import Selection, count_dead, count_dead_letters, dead_letter_groups
from messaging.errors import UnknownType

#: Seconds after which a process that does not answer is no longer said to be starting.
_STARTED_AFTER = 30
#: Those of run.json that are not processes of ours.
_SERVERS = ("postgres", "rabbitmq")


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show services and processes. Exits with 1 if one is missing, dead or not ready, or if something needs a person.

    A process that is still starting is not ready. A person is needed by dead letters, an event that has been pending
    for more than a minute, a day that is over and not closed, a letter that was not delivered, and a process that is
    started again and again. Beside docker compose, which looks after its containers itself, no processes are shown; the
    command is `docker compose run --rm databases python -m deploy.cli status`.
    """
    run = running_system()
    processes = _processes(run) if run.processes else []
    services = [_service(name, run) for name in run.services]
    unknown_types = [unknown for service in services for unknown in service.pop("unknown_types")]
    needs = [*needs_of_services(services), *needs_of_processes(processes), *_needs_of_books(run)]
    working = all(process["running"] and process["ready"] is not False for process in processes)
    well = working and all(service["ready"] for service in services) and not unknown_types and not needs
    if as_json:
        told = {"well": well, "services": services, "unknown_types": unknown_types, "processes": processes}
        told["needs_person"] = [asdict(need) for need in needs]
        print_json(told | {"rabbitmq": run.rabbitmq.get("management")})
    else:
        _show(services, processes, run)
        _show_unknown(unknown_types)
        _show_needs(needs)
    raise SystemExit(0 if well else 1)


def _processes(run: Run) -> list[dict[str, Any]]:
    processes = [_process(process["name"], process["pid"]) for process in run.processes]
    for found, process in zip(processes, run.processes, strict=True):
        found |= _condition(process, found["seconds"])
    processes += _missing({process["name"] for process in processes})
    for found in processes:
        found["restarts"] = run.restarts.get(found["name"], 0)
        found["early_ends"] = run.ending_again_and_again.get(found["name"], 0)
    return processes


def _needs_of_books(run: Run) -> list[Need]:
    try:
        return list(needs_of_books(run))
    except DeployError:
        return []  # that billing is not well is said already


def _process(name: str, pid: int) -> dict[str, Any]:
    identity = living(pid)
    if identity is None:
        return {"name": name, "pid": pid, "running": False, "seconds": None, "memory_mb": None}
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - identity.started / os.sysconf("SC_CLK_TCK")
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    return {"name": name, "pid": pid, "running": True, "seconds": int(seconds), "memory_mb": memory}


def _missing(listed: Collection[str]) -> list[dict[str, Any]]:
    """Those that ought to be there and are not in run.json, which names who was alive when it was written."""
    ours = all_process_names(load_deployment())
    absent = {"pid": None, "running": False, "seconds": None, "memory_mb": None, "ready": None, "doing": "missing"}
    return [{"name": name} | absent for name in (*_SERVERS, *ours) if name not in listed]


def _condition(process: Mapping[str, Any], seconds: int | None) -> dict[str, Any]:
    """What the process says of itself. `ready` is None for a server.

    A process that does not answer is not ready, however young: one that dies again and again is always young.
    """
    if "health" not in process or seconds is None:
        return {"ready": None, "doing": ""}
    try:
        answer = requests.get(f"{process['health']}/readyz", timeout=9)
        return {"ready": answer.ok, "doing": answer.json()["doing"]}
    except (requests.RequestException, KeyError, TypeError):
        return {"ready": False, "doing": "starting" if seconds < _STARTED_AFTER else "no answer"}


def _service(name: str, run: Run) -> dict[str, Any]:
    """The numbers are read from the database: that answers even when the service does not."""
    found: dict[str, Any] = {"name": name, "url": run.services[name], "ready": _is_ready(run.services[name])}
    try:
        with open_database(run, name) as session:
            outbox, groups = outbox_status(session), dead_letter_groups(session)
            dead, (_newest, undecided) = count_dead_letters(session), count_dead(session, Selection())
    except DeployError:
        absent: dict[str, Any] = {
            "pending": None,
            "oldest_pending_seconds": None,
            "dead_letters": None,
            "undecided": None,
            "unknown_types": [],
        }
        return found | {"ready": False} | absent
    return found | {
        "pending": outbox.pending,
        "oldest_pending_seconds": outbox.oldest_pending_seconds,
        "dead_letters": dead,
        "undecided": undecided,
        "unknown_types": [
            {"service": name, "type": group.type, "count": group.count}
            for group in groups
            if group.reason == UnknownType.reason
        ],
    }


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=3).ok
    except requests.RequestException:
        return False


def _show(services: list[dict[str, Any]], processes: list[dict[str, Any]], run: Run) -> None:
    print_table(
        "Services",
        ("service", "address", "ready", "pending", "oldest, s", "dead letters"),
        [
            (
                service["name"],
                service["url"],
                "yes" if service["ready"] else "NO",
                "unknown" if service["pending"] is None else service["pending"],
                round(service["oldest_pending_seconds"] or 0, 1),
                "unknown" if service["dead_letters"] is None else service["dead_letters"],
            )
            for service in services
        ],
    )
    if not processes:
        print("The processes are containers: docker compose ps")
        return
    print_table(
        "Processes",
        ("process", "pid", "running", "for, s", "memory, MB", "doing"),
        [
            (
                process["name"],
                process["pid"] or "",
                "yes" if process["running"] else "NO",
                process["seconds"] if process["running"] else "",
                process["memory_mb"] if process["running"] else "",
                _in_words(process),
            )
            for process in processes
        ],
    )
    print(f"RabbitMQ: {run.rabbitmq['management']}   {run.rabbitmq['user']} / {run.rabbitmq['password']}")


def _in_words(process: Mapping[str, Any]) -> str:
    doing: str = f"NOT READY: {process['doing']}" if process["ready"] is False else process["doing"]
    if process["early_ends"]:
        doing = f"ENDS AGAIN AND AGAIN, {process['early_ends']} times in a row; {doing}".removesuffix("; ")
    return f"{doing} (restarts: {process['restarts']})".strip() if process["restarts"] else doing


def _show_needs(needs: list[Need]) -> None:
    if needs:
        print("NEEDS A PERSON")  # no table: what is to be done has to fit into a line, to be copied
    for need in needs:
        print(f"  {need.where}: {need.detail}. See {need.remedy}")


def _show_unknown(unknown_types: list[dict[str, Any]]) -> None:
    if not unknown_types:
        return
    columns = ("type", "events", "dead letters of")
    rows = [(unknown["type"], unknown["count"], unknown["service"]) for unknown in unknown_types]
    print_table("EVENTS OF UNKNOWN TYPES", columns, rows)
