"""docs/recipes.md is followed to the letter in a copy of the repository, and what comes out works."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from gettext import GNUTranslations
from pathlib import Path

import pytest
import requests
from sqlalchemy import create_engine, text

from chassis.db import engine_url
from chassis.settings import REPOSITORY
from deploy.databases import ServiceDatabase
from deploy.ports import LOOPBACK, pick_free
from tests.code_blocks import code_blocks
from tests.conftest import PASSWORD, Vhost
from tests.integration.service_processes import running
from tests.waiting import eventually

pytestmark = pytest.mark.slow

RECIPES = (REPOSITORY / "docs" / "recipes.md").read_text(encoding="utf-8")
#: What git ignores can be written while it is copied, and a fresh copy must do without it.
#: What is made and not kept, but for the compiled translations, which pages need.
NOT_COPIED = (".git", *{line.rstrip("/") for line in (REPOSITORY / ".gitignore").read_text().split()} - {"*.mo"})
#: The tests that tell who forgot a step where.
GUARDS = (
    "tests/contract/test_rooms.py",
    "tests/contract/test_schemas_and_subscriptions.py",
    "tests/contract/test_events_frozen.py::test_the_glossary_has_no_words_about_fields_and_events_that_are_not_there",
    "tests/unit/test_deploy_compose.py",
    "tests/unit/test_deploy_settings.py",
    "tests/unit/test_chassis_i18n.py",
)
#: What `make up` does before it starts the processes; prints what the broker is to know.
PREPARATION = """
import os
from pathlib import Path
from chassis.migrate import migrate
from deploy import definitions
from deploy.settings import SERVICES

for service in ("tracker", "analytics", "awards"):
    migrate(service, Path(f"{service}_service/migrations"))
print(definitions.as_json(definitions.vhost(os.environ["VHOST"], SERVICES)))
"""
#: Somebody urges a task twice and completes it: what a page or the API would do with the commands.
STORY = """
from uuid import uuid4
from chassis.db import Database
from tracker_service import config
from tracker_service.commands import complete_task, create_task
from tracker_service.commands.tasks import urge_task
from tracker_service.models import User

database = Database(config.load())
with database.transaction() as session:
    kesha = User(user_id=uuid4(), name="Kesha", email="", role="popug", status="active", sequence=1)
    session.add(kesha)
    session.flush()
    task = create_task(session, creator_id=kesha.user_id, title="Feed the chick")
    for _ in range(2):
        urge_task(session, task.public_id, by=kesha.user_id)
    complete_task(session, task.public_id, by=kesha.user_id)
    print(kesha.user_id)
"""


def run(copy: Path, *command: str, **told: str) -> str:
    """Run Python in the copy and return what it printed."""
    done = subprocess.run(
        [sys.executable, *command], cwd=copy, env=os.environ | told, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{shlex.join(command)}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which somebody has followed the recipes, one after the other."""
    folder = tmp_path_factory.mktemp("recipes") / "copy"
    shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*NOT_COPIED))
    for recipe in re.findall(r"^## Add .*?(?=^## |\Z)", RECIPES, re.MULTILINE | re.DOTALL):
        for block in code_blocks(recipe):
            if block.title:
                block.apply(folder)
            else:
                for line in block.text.splitlines():
                    python, *command = shlex.split(line, comments=True)
                    assert python == "python"
                    run(folder, *command)
    return folder


def test_the_checks_have_nothing_to_say_against_it(copy: Path) -> None:
    touched = sorted({block.title for block in code_blocks(RECIPES) if block.title.endswith(".py")})
    run(copy, "-m", "ruff", "check", "--no-cache", *touched)
    run(copy, "-m", "ruff", "format", "--check", "--no-cache", *touched)
    run(copy, "-m", "deploy.schemas", "check")


def test_new_words_of_a_page_are_found_translated_and_compiled(copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(copy, folder, ignore=shutil.ignore_patterns(*NOT_COPIED))
    (folder / "chassis" / "templates" / "urge.html").write_text("{{ _('Somebody waits') }}")
    catalogue = folder / "chassis" / "translations" / "ru" / "LC_MESSAGES" / "messages.po"
    section = RECIPES.partition("\n## Change a page's words\n")[2].partition("\n## ")[0]
    looking, compiling = (block.text.replace("/tmp", str(tmp_path)) for block in code_blocks(section))  # noqa: S108

    type_in(folder, looking)
    found = catalogue.read_text()
    assert 'msgid "Somebody waits"\nmsgstr ""\n' in found
    catalogue.write_text(found.replace('msgid "Somebody waits"\nmsgstr ""', 'msgid "Somebody waits"\nmsgstr "Ждут"'))
    type_in(folder, compiling)
    with catalogue.with_suffix(".mo").open("rb") as compiled:
        assert GNUTranslations(compiled).gettext("Somebody waits") == "Ждут"


def type_in(folder: Path, commands: str) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", commands], cwd=folder, env=os.environ | {"PATH": path}, check=True)


def test_nothing_was_forgotten(copy: Path) -> None:
    assert " passed" in run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *GUARDS)


@pytest.fixture
def told(
    copy: Path, database: Callable[..., ServiceDatabase], vhost: Vhost, tmp_path: Path
) -> Iterator[dict[str, str]]:
    """What the processes are told: migrated databases, and a broker that has the definitions of the copy."""
    variables = {"ATES_STATE_DIR": str(tmp_path), "ATES_PORT_AWARDS": str(*pick_free(1)), "VHOST": vhost.name}
    owners = {}
    for service in ("tracker", "analytics", "awards"):
        urls, prefix = database(service), service.upper()
        owners[f"{prefix}_OWNER_DATABASE_URL"] = urls.owner_url
        variables[f"{prefix}_DATABASE_URL"] = urls.app_url
        variables[f"{prefix}_AMQP_URL"] = vhost.url(service)
        variables[f"{prefix}_SECRET_KEY"] = "a key for the tests alone"
    vhost.manage("PUT", "users/awards", json={"password": PASSWORD, "tags": ""})
    vhost.manage("POST", "definitions", json=json.loads(run(copy, "-c", PREPARATION, **variables, **owners)))
    yield variables
    vhost.manage("DELETE", "users/awards")


def test_the_new_event_reaches_the_new_handler_and_the_new_service(
    copy: Path, told: dict[str, str], vhost: Vhost
) -> None:
    bindings = vhost.manage("GET", "queues/{vhost}/analytics.events/bindings").json()
    assert "tracker.task_urged.*" in [binding["routing_key"] for binding in bindings]

    with ExitStack() as processes:
        for name in ("tracker.relay", "analytics.consumer", "awards.consumer", "awards.web"):
            service, _, kind = name.partition(".")
            processes.enter_context(running(service, kind, told, folder=copy))
        (health_port,) = pick_free(1)
        with_health = told | {"ATES_HEALTH_PORT": str(health_port)}
        processes.enter_context(running("awards", "relay", with_health, folder=copy))
        kesha = run(copy, "-c", STORY, **told).strip()

        urgings = "SELECT assignee_id::text, count FROM urgings"
        eventually(lambda: rows(told["ANALYTICS_DATABASE_URL"], urgings) == [(kesha, 2)])
        completed = "SELECT user_id::text, tasks FROM completed"
        eventually(lambda: rows(told["AWARDS_DATABASE_URL"], completed) == [(kesha, 1)])
        for port in (int(told["ATES_PORT_AWARDS"]), health_port):
            eventually(partial(is_ready, port))


def rows(url: str, statement: str) -> list[tuple[object, ...]]:
    engine = create_engine(engine_url(url))
    with engine.connect() as connection:
        found = [tuple(row) for row in connection.execute(text(statement))]
    engine.dispose()
    return found


def is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://{LOOPBACK}:{port}/readyz", timeout=5).ok
    except requests.RequestException:
        return False
