"""`./ates status`: what runs, where, and whether events flow."""

import os
import time
from pathlib import Path
from typing import Any

import click
import requests
from sqlalchemy import create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from chassis.db import engine_url
from deploy.cli.output import json_option, print_json, print_table
from deploy.programs import identity_of
from deploy.run_file import Run, read_run
from deploy.settings import load_deployment
from messaging import outbox_status


@click.command()
@json_option
def status(*, as_json: bool) -> None:
    """Show processes, addresses and outboxes. Exits with 1 if something is not well."""
    run = read_run(load_deployment())
    processes = [_process(process["name"], process["pid"]) for process in run.processes]
    services = [_service(name, run) for name in run.services]
    well = all(process["running"] for process in processes) and all(service["ready"] for service in services)
    if as_json:
        print_json({"well": well, "services": services, "processes": processes, "rabbitmq": run.rabbitmq["management"]})
    else:
        _show(services, processes, run)
    raise SystemExit(0 if well else 1)


def _process(name: str, pid: int) -> dict[str, Any]:
    identity = identity_of(pid)
    running = identity is not None and identity.is_alive()
    if identity is None or not running:
        return {"name": name, "pid": pid, "running": False, "seconds": None, "memory_mb": None}
    seconds = time.clock_gettime(time.CLOCK_BOOTTIME) - identity.started / os.sysconf("SC_CLK_TCK")
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000
    return {"name": name, "pid": pid, "running": True, "seconds": int(seconds), "memory_mb": memory}


def _service(name: str, run: Run) -> dict[str, Any]:
    """The outbox is read from the database: that answers even when the service does not."""
    found: dict[str, Any] = {"name": name, "url": run.services[name], "ready": _is_ready(run.services[name])}
    engine = create_engine(engine_url(run.databases[name]), connect_args={"connect_timeout": 3})
    try:
        with Session(engine) as session:
            outbox = outbox_status(session)
    except SQLAlchemyError:
        return found | {"ready": False, "pending": None, "oldest_pending_seconds": None}
    finally:
        engine.dispose()
    return found | {"pending": outbox.pending, "oldest_pending_seconds": outbox.oldest_pending_seconds}


def _is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=3).ok
    except requests.RequestException:
        return False


def _show(services: list[dict[str, Any]], processes: list[dict[str, Any]], run: Run) -> None:
    print_table(
        "Services",
        ("service", "address", "ready", "outbox: pending", "oldest, s"),
        [
            (
                service["name"],
                service["url"],
                "yes" if service["ready"] else "NO",
                "unknown" if service["pending"] is None else service["pending"],
                round(service["oldest_pending_seconds"] or 0, 1),
            )
            for service in services
        ],
    )
    print_table(
        "Processes",
        ("process", "pid", "running", "for, s", "memory, MB"),
        [
            (
                process["name"],
                process["pid"],
                "yes" if process["running"] else "NO",
                process["seconds"] if process["running"] else "",
                process["memory_mb"] if process["running"] else "",
            )
            for process in processes
        ],
    )
    print(f"RabbitMQ: {run.rabbitmq['management']}   {run.rabbitmq['user']} / {run.rabbitmq['password']}")
