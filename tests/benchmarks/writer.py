"""What an event costs the request that publishes it: the tracker's own, with and without its row in the outbox."""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path
from uuid import uuid4

import requests
from joserfc.jwk import KeySet
from sqlalchemy.orm import Session

from chassis.db import Database
from chassis.observe import configure_logging
from chassis.settings import load_settings
from chassis.webserver import serve
from deploy.databases import ServiceDatabase
from deploy.ports import LOOPBACK, pick_free
from deploy.settings import REPOSITORY
from messaging import Event, stop_at_signal
from tests.benchmarks.servers import Servers
from tests.benchmarks.shop import process
from tests.chassis_parts import KEY, bearer
from tests.waiting import eventually
from tracker_service import config
from tracker_service.app import create_app
from tracker_service.commands import create_task, tasks
from tracker_service.models import User

#: The two take turns, so that both see the same machine.
ROUNDS, REQUESTS = 10, 200


def a_request_with_an_event_beside_one_without(servers: Servers) -> list[tuple[str, str]]:
    """Change the title of a task by REST, one request after the other."""
    database = servers.new_database("tracker")
    environment = tracker_environment(servers.folder, database)
    migrate = [sys.executable, "-m", "tracker_service", "migrate"]
    subprocess.run(migrate, cwd=REPOSITORY, env=os.environ | environment, check=True)
    task, headers = _make_task(environment)
    waits: dict[bool, list[float]] = {False: [], True: []}
    with ExitStack() as stack:
        urls = {events: stack.enter_context(tracker_served(environment, events=events)) for events in waits}
        for _ in range(ROUNDS):
            for events, url in urls.items():
                waits[events] += _requests(f"{url}/api/v1/tasks/{task}", headers)
    without, with_event = (1000 * statistics.median(waits[events]) for events in (False, True))
    return [
        ("PATCH of a task without an event, p50", f"{without:.2f} ms"),
        ("the same with its event in the outbox, p50", f"{with_event:.2f} ms"),
        ("slower by", f"{100 * (with_event / without - 1):.0f} %"),
    ]


def tracker_environment(folder: Path, database: ServiceDatabase) -> dict[str, str]:
    keys = folder / "jwks" / "tracker.json"
    keys.parent.mkdir(exist_ok=True)
    keys.write_text(json.dumps(KeySet([KEY]).as_dict(private=False)))
    return {
        "ATES_STATE_DIR": str(folder),
        "TRACKER_DATABASE_URL": database.app_url,
        "TRACKER_OWNER_DATABASE_URL": database.owner_url,
        "TRACKER_AMQP_URL": "amqp://nobody@127.0.0.1:1/",
        "TRACKER_SECRET_KEY": "a key for the benchmarks alone",
    }


def _make_task(environment: dict[str, str]) -> tuple[str, dict[str, str]]:
    database = Database(load_settings("tracker", environment))
    worker = uuid4()
    with database.transaction() as session:
        session.add(
            User(user_id=worker, name="Kesha", email="kesha@x.example", role="popug", status="active", sequence=1)
        )
    with database.transaction() as session:
        task = str(create_task(session, creator_id=worker, title="Polish perch").public_id)
    database.engine.dispose()
    return task, bearer(sub=str(worker), role="popug")


@contextmanager
def tracker_served(environment: dict[str, str], *, events: bool) -> Iterator[str]:
    """Serve the tracker on a free port; yield its address."""
    (port,) = pick_free(1)
    with process(_serve, environment | {"ATES_PORT_TRACKER": str(port)}, events):
        url = f"http://{LOOPBACK}:{port}"
        eventually(lambda: _answers(url))
        yield url


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


def _serve(environment: dict[str, str], events: bool) -> None:
    os.environ.update(environment)
    configure_logging("tracker", "web", "ERROR")
    if not events:
        tasks.publish = _publish_nothing  # type: ignore[assignment, attr-defined]
    stop = stop_at_signal()
    settings = config.load()
    serve(create_app(settings), host=settings.host, port=settings.port, stop=stop)


def _publish_nothing(session: Session, event: Event) -> None:
    """Stand in for `publish`."""


def _requests(url: str, headers: dict[str, str]) -> list[float]:
    waits = []
    with requests.Session() as client:
        for _ in range(REQUESTS):
            started = time.perf_counter()
            answer = client.patch(url, json={"title": f"Polish perch {uuid4()}"}, headers=headers, timeout=30)
            waits.append(time.perf_counter() - started)
            if answer.status_code != HTTPStatus.OK:
                raise AssertionError(answer.text)
    return waits
