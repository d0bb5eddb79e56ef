"""`./ates` without the dead letters: what it asks databases and services, and the exit codes that scripts rely on."""

import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.serving import make_server

from auth_service.demo.parrot import draw_parrot
from auth_service.models import Beak, User
from chassis.db import Database, utc_now
from deploy.ports import LOOPBACK, pick_free
from deploy.processes import all_process_names
from deploy.run_file import Run, run_file, write_run
from deploy.settings import SERVICES, load_deployment
from messaging import Event, publish
from tests.integration.operator_house import AWAY, Operator, at_work

HEADER = "external_id,name,email,role\n"

Operate = Callable[..., Operator]


@pytest.fixture
def operate(migrated: Callable[..., Any], tmp_path: Path) -> Iterator[Operate]:
    """`operate("billing", BUSINESS_TIMEZONE="UTC")` -> an operator of a system with this service alone."""
    with ExitStack() as systems:

        def start(*services: str, **environment: str) -> Operator:
            settings = {service: migrated(service, **environment) for service in services}
            return systems.enter_context(at_work(tmp_path, settings))

        yield start


def signed_out() -> Event:
    data = {"sign_in_id": str(uuid4()), "user_id": str(uuid4()), "signed_out_at": "2026-11-21T05:00:00Z"}
    return Event.new("auth.user_signed_out.v1", subject=data["sign_in_id"], sequence=1, data=data)


def execute(database: Database, statement: str) -> None:
    with database.transaction() as session:
        session.execute(text(statement))


def test_pending_events_are_counted_and_the_oldest_listed(operate: Operate) -> None:
    operator = operate("auth", "tracker")
    events = [signed_out() for _ in range(3)]
    for event in events:
        with operator.databases["auth"].transaction() as session:
            publish(session, event)
    told = operator.json("outbox", "--limit", 2)
    assert told["pending"] == 3
    assert {each["service"]: each["pending"] for each in told["services"]} == {"auth": 3, "tracker": 0}
    assert [(item["service"], item["id"]) for item in told["items"]] == [("auth", str(e.id)) for e in events[:2]]
    assert str(events[0].id) in operator.run("outbox").output
    assert operator.json("outbox", "--service", "tracker")["items"] == []


def test_a_script_learns_that_events_have_been_pending_for_too_long(operate: Operate) -> None:
    operator = operate("auth")
    assert operator.run("outbox", "--max-age", 0).exit_code == 0
    with operator.databases["auth"].transaction() as session:
        publish(session, signed_out())
    assert operator.run("outbox", "--max-age", 0).exit_code == 1
    assert operator.run("outbox", "--max-age", 3600).exit_code == 0


def test_users_are_imported_all_or_none(operate: Operate, tmp_path: Path) -> None:
    operator = operate("auth")
    file = tmp_path / "people.csv"
    file.write_text(HEADER + "hr-1,Кеша,kesha@x.example,popug\n", encoding="utf-8")
    assert operator.json("users", "import", file) == {"created": 1, "updated": 0, "unchanged": 0}
    file.write_text(HEADER + "hr-2,Ара,ara@x.example,boss\nhr-3,,x@x.example,boss\n", encoding="utf-8")
    refused = operator.run("users", "import", file)
    assert (refused.exit_code, "row 2: A user needs a name." in refused.output) == (1, True)
    assert operator.run("users", "import", tmp_path / "nowhere.csv").exit_code == 2
    with operator.databases["auth"].reading() as session:
        assert [user.external_id for user in session.query(User).filter(User.external_id.is_not(None))] == ["hr-1"]


def test_the_first_administrator_is_made_with_a_beak(operate: Operate, tmp_path: Path) -> None:
    operator = operate("auth")
    photo = tmp_path / "vera.png"
    photo.write_bytes(draw_parrot("vera"))
    words = ("users", "create-admin", "--name", "Вера", "--email", "vera@x.example", "--beak", photo)
    admin = operator.json(*words)
    assert (admin["name"], admin["email"], admin["role"]) == ("Вера", "vera@x.example", "admin")
    with operator.databases["auth"].reading() as session:
        assert session.get_one(User, UUID(admin["id"])).role == "admin"
        assert session.get(Beak, UUID(admin["id"])) is not None
    refused = operator.run(*words)
    assert (refused.exit_code, "Another user has this e-mail address." in refused.output) == (1, True)
    photo.write_bytes(b"a picture of nothing")
    refused = operator.run("users", "create-admin", "--name", "Г", "--email", "g@x.example", "--beak", photo)
    assert (refused.exit_code, "This is not a picture" in refused.output) == (1, True)
    with operator.databases["auth"].reading() as session:
        assert session.query(User).count() == 1


def test_a_day_is_closed_by_the_clock_of_the_running_system(operate: Operate, monkeypatch: pytest.MonkeyPatch) -> None:
    now = utc_now()
    # It is midday in the running system, so the day does not end meanwhile: it is the day of Greenwich too. By our own
    # clock that day has yet to begin, or is over. The sign of these zones is the opposite of the offset.
    monkeypatch.setenv("BUSINESS_TIMEZONE", "Etc/GMT+12" if now.hour < 12 else "Etc/GMT-14")
    operator = operate("billing", BUSINESS_TIMEZONE=f"Etc/GMT{now.hour - 12:+d}")
    today = now.date()
    execute(operator.databases["billing"], f"INSERT INTO days (day) VALUES ('{today}')")
    assert "No day is over yet" in operator.run("close-day").output
    closed = {"day": str(today), "status": "closed", "closed_now": [str(today)], "payout_cents": 0}
    assert operator.json("close-day", today) == closed
    assert operator.run("close-day", "tomorrow").exit_code == 2


def test_many_days_are_closed_only_when_the_first_of_them_is_named(operate: Operate) -> None:
    operator = operate("billing")
    execute(
        operator.databases["billing"],
        "INSERT INTO days (day) SELECT date '2026-01-01' + n FROM generate_series(0, 3) n",
    )
    refused = operator.run("close-day", "2026-01-04")
    assert refused.exit_code == 1
    assert "4 days would be closed at once, 2026-01-01 – 2026-01-04" in refused.output
    closed = operator.json("close-day", "2026-01-04", "--from", "2026-01-01")["closed_now"]
    assert closed == ["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04"]


def test_letters_are_sent_again_by_the_kind_of_their_failure(operate: Operate) -> None:
    operator = operate("billing")
    assert operator.json("letters", "send-again", "unknown") == {"letters": 0}
    assert "Letters to be sent again: 0." in operator.run("letters", "send-again", "failed").output
    assert operator.run("letters", "send-again", "sent").exit_code == 2


def test_books_that_do_not_balance_and_figures_that_do_not_agree_are_told(operate: Operate) -> None:
    operator = operate(*SERVICES)
    execute(operator.databases["billing"], "INSERT INTO days (day) VALUES ('2026-11-21'), ('2026-11-25')")
    values = f"('{uuid4()}', '{uuid4()}', 700, 1)"
    accounts = f"INSERT INTO accounts (account_id, user_id, balance_cents, sequence) VALUES {values}"
    execute(operator.databases["analytics"], accounts)
    told = operator.run("verify", "--wait", 0)
    assert told.exit_code == 1
    assert told.output.splitlines() == [
        "The books do not balance:",
        "  a day is missing, or was closed before an earlier one: 2026-11-25",
        "Analytics does not agree:",
        "  somebody: balance_cents is 700 in billing, 0 in analytics",
        "Every event has arrived.",
    ]


def with_processes(operator: Operator, processes: list[dict[str, Any]]) -> None:
    run = json.loads(run_file(operator.state_dir).read_text())
    write_run(operator.state_dir, Run(**{**run, "processes": processes}))


def healthy(pid: int, address: str) -> list[dict[str, Any]]:
    """All that ought to be there, in one process."""
    servers = [{"name": name, "pid": pid} for name in ("postgres", "rabbitmq")]
    return servers + [{"name": name, "pid": pid, "health": address} for name in all_process_names(load_deployment({}))]


@pytest.fixture
def ready() -> Iterator[str]:
    """The address of somebody who says that he is ready."""
    (port,) = pick_free(1)
    application = Flask(__name__)
    application.add_url_rule("/readyz", view_func=lambda: {"status": "ready", "doing": "serving"})
    server = make_server(LOOPBACK, port, application)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://{LOOPBACK}:{port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_all_is_well_when_every_process_is_there_and_ready(operate: Operate, ready: str) -> None:
    operator = operate()
    with_processes(operator, healthy(os.getpid(), ready))
    assert operator.json("status")["well"]


def test_status_tells_how_often_each_process_was_started_again_also_of_one_that_is_missing(
    operate: Operate, ready: str
) -> None:
    operator = operate()
    run = json.loads(run_file(operator.state_dir).read_text())
    present = [one for one in healthy(os.getpid(), ready) if one["name"] != "auth.relay"]
    restarts = {"auth.relay": 3, "auth.web": 1}
    write_run(operator.state_dir, Run(**{**run, "processes": present, "restarts": restarts}))
    told = operator.json("status", exit_code=1)
    assert {one["name"]: one["restarts"] for one in told["processes"] if one["restarts"]} == restarts
    assert "restarts" in operator.run("status").output


def test_a_process_that_ends_again_and_again_is_not_well_even_while_it_is_ready(operate: Operate, ready: str) -> None:
    operator = operate()
    run = json.loads(run_file(operator.state_dir).read_text())
    early = {"tracker.relay": 7}
    processes = healthy(os.getpid(), ready)
    write_run(operator.state_dir, Run(**{**run, "processes": processes, "ending_again_and_again": early}))
    told = operator.json("status", exit_code=1)
    assert {one["name"]: one["early_ends"] for one in told["processes"] if one["early_ends"]} == early
    assert not told["well"]
    assert "AGAIN AND AGAIN" in operator.run("status").output


@pytest.mark.parametrize("speaks", [False, True], ids=["silent", "does not speak as a process of ours"])
def test_a_process_that_does_not_answer_is_not_well_however_young_it_is(
    operate: Operate, ready: str, speaks: bool
) -> None:
    operator = operate()
    with subprocess.Popen(["sleep", "infinity"]) as young:
        processes = healthy(os.getpid(), ready)
        processes[-1] |= {"pid": young.pid, "health": f"{ready}/nowhere" if speaks else AWAY}
        with_processes(operator, processes)
        try:
            told = operator.json("status", exit_code=1)
        finally:
            young.kill()
    assert [(one["name"], one["doing"]) for one in told["processes"] if one["ready"] is False] == [
        (processes[-1]["name"], "starting")
    ]
    assert not told["well"]


@pytest.mark.parametrize("name", ["tracker.relay", "rabbitmq"])
def test_a_process_that_was_dead_when_run_json_was_written_is_missing(operate: Operate, ready: str, name: str) -> None:
    operator = operate()
    with_processes(operator, [one for one in healthy(os.getpid(), ready) if one["name"] != name])
    told = operator.json("status", exit_code=1)
    assert [(one["name"], one["doing"]) for one in told["processes"] if not one["running"]] == [(name, "missing")]
    assert "missing" in operator.run("status").output


def test_events_of_unknown_types_are_named_and_nothing_is_well_until_somebody_decides(
    operate: Operate, ready: str
) -> None:
    operator = operate("analytics")
    run = json.loads(run_file(operator.state_dir).read_text())
    processes = healthy(os.getpid(), ready)
    write_run(operator.state_dir, Run(**{**run, "services": {"analytics": ready}, "processes": processes}))
    letter = (
        "INSERT INTO held_message (state, body, content_type, headers, id, type, reason) VALUES ('dead', '', '', '{}',"
    )
    execute(
        operator.databases["analytics"],
        f"{letter} '{uuid4()}', 'a.b.v1', 'schema-invalid')",
    )
    told = operator.json("status", exit_code=1)
    assert (told["unknown_types"], told["services"][0]["dead_letters"]) == ([], 1)
    execute(operator.databases["analytics"], "UPDATE held_message SET state = 'replay_requested', due_at = now()")
    told = operator.json("status")  # somebody has decided, and it is still to be handled
    assert (told["well"], told["services"][0]["dead_letters"]) == (True, 1)

    execute(
        operator.databases["analytics"],
        f"{letter} '{uuid4()}', 'b.c.v1', 'unknown-type')",
    )
    told = operator.json("status", exit_code=1)
    assert told["unknown_types"] == [{"service": "analytics", "type": "b.c.v1", "count": 1}]
    assert not told["well"]
    shown = operator.run("status").output
    assert "EVENTS OF UNKNOWN TYPES" in shown
    assert "b.c.v1" in shown
    assert "a.b.v1" not in shown


def test_what_needs_a_person_is_said_with_what_to_do_though_every_process_is_at_work(
    operate: Operate, ready: str
) -> None:
    operator = operate("billing")
    run = json.loads(run_file(operator.state_dir).read_text())
    # What billing was told stands in the environment of a process of its own.
    others = [one for one in healthy(os.getpid(), ready) if one["name"] != "billing.web"]
    told_of = {"services": {"billing": ready}, "processes": [*run["processes"], *others]}
    write_run(operator.state_dir, Run(**{**run, **told_of, "ending_again_and_again": {"billing.relay": 5}}))
    database = operator.databases["billing"]
    execute(database, "INSERT INTO days (day) SELECT current_date - n FROM generate_series(0, 5) n")
    execute(
        database,
        "INSERT INTO outbox (event_id, type, subject, sequence, correlation_id, body, created_at) VALUES"
        f" ('{uuid4()}', 'a.b.v1', 'x', 1, '{uuid4()}', '{{}}', now() - interval '2 minutes')",
    )
    execute(
        database,
        "INSERT INTO held_message (state, body, content_type, headers, id, type, reason) VALUES"
        f" ('dead', '', '', '{{}}', '{uuid4()}', 'a.b.v1', 'schema-invalid')",
    )
    told = operator.json("status", exit_code=1)
    shown = operator.run("status").output
    assert {(need["what"], need["where"]) for need in told["needs_person"]} == {
        ("dead-letters", "billing"),
        ("old-pending-event", "billing"),
        ("restarts", "billing.relay"),
        ("day-not-closed", "billing"),
    }
    assert "NEEDS A PERSON" in shown
    assert "See ./ates close-day --from" in shown


def test_beside_containers_the_databases_of_the_environment_are_asked_and_no_process_is_missed(
    operate: Operate, ready: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = operate(*SERVICES)
    run_file(operator.state_dir).unlink()
    for service, database in operator.databases.items():
        url = database.engine.url.render_as_string(hide_password=False)
        monkeypatch.setenv(f"{service.upper()}_OWNER_DATABASE_URL", url)
        monkeypatch.setenv(f"ATES_INTERNAL_URL_{service.upper()}", ready)
        for name, value in (("DATABASE_URL", url), ("AMQP_URL", "amqp://nobody@x/y"), ("SECRET_KEY", "k" * 16)):
            monkeypatch.setenv(f"{service.upper()}_{name}", value)
    told = operator.json("status")
    assert (told["well"], told["processes"], told["needs_person"]) == (True, [], [])
    assert [service["pending"] for service in told["services"]] == [0, 0, 0, 0]
    assert "docker compose ps" in operator.run("status").output
    assert operator.json("outbox")["pending"] == 0


@pytest.mark.parametrize("words", ["status", "outbox", "dead-letters list", "close-day", "verify", "trace x"])
def test_without_a_running_system_every_command_says_what_to_do(operate: Operate, words: str) -> None:
    operator = operate()
    processes = [{"name": "billing.web", "pid": 2**22}]  # above any that the system gives
    write_run(operator.state_dir, Run(services={}, rabbitmq={}, databases={}, processes=processes, people=[]))
    killed = operator.run(*words.split())
    run_file(operator.state_dir).unlink()
    stopped = operator.run(*words.split())
    for result in (killed, stopped):
        assert result.exit_code == 1
        assert "The system does not run" in result.stderr
        assert "make up" in result.stderr
