"""Under load, whatever is killed, away or blocked: nothing that was accepted is lost, and nothing happens twice.

ATES_CHAOS_SEED      repeats the kills of an earlier run, which has printed its seed: their order, not the threads
ATES_CHAOS_SECONDS   for how long processes are killed; longer, if somebody has had no turn by then
ATES_CHAOS_AWAY      for how many seconds the broker is away
"""

import os
import random
import signal
import time
from collections.abc import Iterable
from contextlib import ExitStack
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
import requests

from deploy.programs import identity_of
from tests.e2e.audit import check_accepted, check_events, check_money, check_replicas, pending, under_way
from tests.e2e.broker import manage, memory_alarm
from tests.e2e.killing import Killer, frozen, kept_away, pids
from tests.e2e.load import Load
from tests.e2e.parrots import Parrot, company
from tests.e2e.running import RunningSystem
from tests.waiting import PATIENCE, eventually

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("ATES_CHAOS_SEED") or random.randrange(1_000_000))
SECONDS = float(os.environ.get("ATES_CHAOS_SECONDS") or 30)
AWAY = float(os.environ.get("ATES_CHAOS_AWAY") or 8)
#: Seconds in which everything is well again, by itself, after the last thing that happened to it.
RECOVERY = 30
#: Seconds. `make up` gives a process 4.5 to end; that a busy machine needs longer is no reason to fail.
#: What somebody may see for a moment whose server was killed, or its database. No other fault, and no hanging.
ALLOWED_FAULTS = {"ConnectionError", "ChunkedEncodingError", "503"}


def come_to_rest(run: dict[str, Any], *, since: float, within: float = RECOVERY) -> None:
    """Wait until every event had all its effects; `since`: the last thing that happened, by time.monotonic()."""

    def at_rest() -> bool:
        assert under_way(run) == []
        return True

    eventually(at_rest, timeout=since + within - time.monotonic(), every=0.3)


def check_everything(run: dict[str, Any], load: Load) -> None:
    assert load.accepted.tasks
    assert load.accepted.completed
    assert load.accepted.users
    check_accepted(run, load.accepted)
    check_events(run)
    check_replicas(run)
    check_money(run)


def the_admin(run: dict[str, Any]) -> Parrot:
    return next(person for person in company(run).values() if person.role == "admin")


def dead_letters(run: dict[str, Any]) -> list[str]:
    """The ids of billing's."""
    return [letter["id"] for letter in the_admin(run).everything("billing", "/api/v1/messages/dead-letters")]


def is_blocked(run: dict[str, Any], name: str) -> bool:
    """Tell whether the process says to probes that the broker's alarm keeps it from its work."""
    address = next(process["health"] for process in run["processes"] if process["name"] == name)
    answer = requests.get(f"{address}/readyz", timeout=15)
    return answer.status_code == 503 and "blocked" in answer.text


def send_feather(run: dict[str, Any], queue: str, *, message_id: str) -> None:
    """Put a message that is no event into the queue."""
    message = {"properties": {"message_id": message_id}, "payload": "a feather", "payload_encoding": "string"}
    answer = manage(run, "POST", "exchanges", "amq.default/publish", json=message | {"routing_key": queue})
    assert answer.json()["routed"]


def exceptions_of_web_servers(system: RunningSystem) -> list[str]:
    """What was answered with 500, as the logs have it."""
    logs = [log.read_text() for log in (system.state_dir / "logs").glob("*.web.log")]
    return [line for log in logs for line in log.splitlines() if '"message": "Exception on' in line]


def end(processes: Iterable[int]) -> None:
    """Tell processes to end, and wait until they have."""
    identities = [identity_of(pid) for pid in processes]
    for identity in identities:
        assert identity is not None
        os.kill(identity.pid, signal.SIGTERM)
    eventually(lambda: not any(one is not None and one.is_alive() for one in identities))


@pytest.mark.timeout(SECONDS + 200)
def test_whatever_is_killed_under_load_comes_back_and_every_event_has_its_effects_exactly_once(
    system: dict[str, Any], running_system: RunningSystem
) -> None:
    print(f"to repeat: ATES_CHAOS_SEED={SEED} ATES_CHAOS_SECONDS={SECONDS}")  # noqa: T201 (shown if it fails)
    run_file = running_system.run_file
    everybody = set(pids(run_file))
    killer = Killer(run_file, SEED)
    with Load(system) as load:
        killer.go_on_for(SECONDS)
        peace = time.monotonic()
    come_to_rest(system, since=peace)
    check_everything(system, load)
    assert load.accepted.reassignments
    faults = {fault.split(": ")[1] for fault in load.faults}
    assert faults <= ALLOWED_FAULTS, exceptions_of_web_servers(running_system)
    assert {name for name, _ in killer.killed} == everybody
    assert set(pids(run_file)) == everybody
    assert set(pids(run_file).items()).isdisjoint(killer.killed)


@pytest.mark.timeout(2 * AWAY + 150)
def test_while_the_broker_is_away_everything_is_accepted_and_the_backlog_drains_afterwards(
    system: dict[str, Any], running_system: RunningSystem
) -> None:
    with kept_away(running_system.run_file, "rabbitmq"):
        with Load(system) as load:
            time.sleep(AWAY)
        backlog = pending(system, "tracker")
    peace = time.monotonic()
    assert load.faults == []
    assert backlog >= 2 * len(load.accepted.tasks)  # created and assigned
    come_to_rest(system, since=peace, within=RECOVERY + AWAY)  # what came in meanwhile takes no longer than it took
    check_everything(system, load)


@pytest.mark.timeout(240)
def test_while_the_brokers_memory_alarm_blocks_it_requests_go_on_nothing_hangs_and_health_says_so(
    system: dict[str, Any], running_system: RunningSystem
) -> None:
    run_file = running_system.run_file
    before = pids(run_file)
    letter_id = str(uuid4())
    with ExitStack() as alarm:
        with frozen(before["billing.consumer"]):  # it shall come upon the message when nobody can send any more
            send_feather(system, "billing.events", message_id=letter_id)
            alarm.enter_context(memory_alarm(before["rabbitmq"]))
        with Load(system) as load:
            eventually(lambda: min(pending(system, name) for name in ("auth", "tracker")) > 20)
            for name in ("auth.relay", "tracker.relay"):
                eventually(partial(is_blocked, system, name))
            eventually(lambda: dead_letters(system) == [letter_id])  # a consumer has nothing to send
        assert load.faults == []
        told_to_end = {name: pid for name, pid in before.items() if "relay" in name or "consumer" in name}
        end(told_to_end.values())
        eventually(
            lambda: set(pids(run_file)) == set(before) and set(pids(run_file).items()).isdisjoint(told_to_end.items()),
            timeout=PATIENCE,
        )
    come_to_rest(system, since=time.monotonic())
    assert dead_letters(system) == [letter_id]
    admin = the_admin(system)
    admin.post("billing", f"/api/v1/messages/dead-letters/{letter_id}/discard", expect=202)
    check_everything(system, load)
