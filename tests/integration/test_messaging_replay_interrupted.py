"""A replay that is cut off, stopped or killed leaves nothing half done."""

import os
import signal
import threading
from functools import partial
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from messaging import Event, RabbitBroker
from messaging.errors import BrokerUnavailable, ReplayLost, ReplayRefused, ReplayStopped
from messaging.replay import abandon
from messaging.replay.sending import Sender
from tests.integration.conftest import ConnectionCutter
from tests.integration.messaging_house import House
from tests.integration.messaging_processes import DEATHS_EACH, KillPoint, Processes, wait_for_death
from tests.integration.messaging_replays import (
    ODD,
    content,
    in_the_background,
    is_paused,
    rebuild,
    shelves_in_order,
    stock,
)
from tests.waiting import eventually

pytestmark = pytest.mark.slow


def test_connections_that_are_cut_change_neither_order_nor_number(house: House, cutter: ConnectionCutter) -> None:
    house.subscribe()
    stock(house, shelves=20, each=60)
    with in_the_background(house) as (_, reports):
        for effects in (1, 500):
            house.wait_for_effects(effects)
            cutter.cut()
            with house.engine.begin() as connection:
                others = "datname = current_database() AND pid <> pg_backend_pid()"
                connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    assert sum(reports[0].outcomes.values()) == 1200
    assert len(house.effects()) == 1200
    assert shelves_in_order(house)
    assert house.dead_letters() == []


def test_one_that_is_stopped_goes_on_live_unless_something_was_forgotten(house: House) -> None:
    house.relay()
    house.consumer()
    stock(house)
    house.wait_for_effects(100)
    stopped = threading.Event()
    stopped.set()
    with pytest.raises(ReplayStopped, match="goes on"):
        house.make_replay().run(stopped)
    assert not is_paused(house)
    with pytest.raises(ReplayStopped, match="paused"):
        house.make_replay(rebuild=True).run(stopped)
    assert is_paused(house)
    with pytest.raises(ReplayRefused, match="rebuilt"):
        abandon(house.sessions)
    with pytest.raises(ReplayRefused, match="cut short"):
        house.make_replay().run(threading.Event())
    assert rebuild(house).outcomes == {"done": 100}
    assert not is_paused(house)


def test_nothing_is_paused_for_a_producer_who_cannot_send(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messaging.replay.replay._CONNECTS_WITHIN", 0.5)
    monkeypatch.setattr("messaging.replay.pause.begin", None)
    elsewhere = RabbitBroker(f"{house.amqp_url}-which-is-not-there", name="lost")
    with pytest.raises(BrokerUnavailable, match="events of shop"):
        house.make_replay(of=SimpleNamespace(engine=house.engine, broker=elsewhere)).run(threading.Event())  # type: ignore[arg-type]


@pytest.mark.parametrize("forgets", [False, True])
def test_one_that_fails_lets_the_consumers_go_on_unless_something_was_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch, forgets: bool
) -> None:
    house.subscribe()
    monkeypatch.setattr(Sender, "send_all", None)
    with pytest.raises(TypeError):
        house.make_replay(rebuild=forgets).run(threading.Event())
    assert is_paused(house) == forgets


def test_two_at_once_are_refused_and_so_is_to_abandon_one_that_is_carried_out(house: House) -> None:
    house.subscribe()
    stock(house)
    go_on = threading.Event()

    def wait_at_the_first(_session: Session, event: Event) -> None:
        if not event.data["n"]:
            go_on.wait(20)

    house.handler = wait_at_the_first
    with in_the_background(house):
        eventually(lambda: is_paused(house))
        try:
            for attempt in (lambda: rebuild(house), partial(abandon, house.sessions)):
                with pytest.raises(ReplayRefused, match="somebody else"):
                    attempt()
        finally:
            go_on.set()
    assert len(house.effects()) == 100


def test_one_that_was_begun_anew_by_somebody_else_handles_nothing_more(house: House) -> None:
    house.subscribe()
    count = stock(house, shelves=10, each=150)

    def lose_it(session: Session, event: Event) -> None:
        if event.data["n"] == 250:
            with house.sessions.begin() as other:
                other.execute(text("SET LOCAL lock_timeout = '50ms'"))
                other.execute(text("UPDATE replay SET run = gen_random_uuid()"))

    house.handler = lose_it
    with pytest.raises(ReplayLost):
        rebuild(house)
    assert len(house.effects()) < count
    assert is_paused(house)


POINTS = [
    KillPoint("between the pause and the first event", "messaging.replay.replay:Replay._carry_out"),
    KillPoint("between the commit of effects and their ack", "messaging.replay.queue:ReplayQueue.ack", on_pass=2),
    KillPoint("between the last event and the end of the pause", "messaging.replay.replay:Replay._finish"),
]


@pytest.mark.parametrize("point", POINTS, ids=[point.name.replace(" ", "-") for point in POINTS])
def test_one_that_is_killed_leaves_a_pause_and_is_run_again(
    house: House, processes: Processes, point: KillPoint
) -> None:
    house.relay()
    house.consumer()
    count = stock(house, shelves=6, each=200)  # more than are handled in one transaction
    house.wait_for_effects(count)
    before = content(house)
    wait_for_death(processes.start("rebuild", house, dies=point))
    assert is_paused(house)
    known = len(house.effects())
    house.sell("shelf-9")
    eventually(lambda: house.pending() == 0)
    assert len(house.effects()) == known
    report = rebuild(house)
    assert sum(report.outcomes.values()) == count + 1
    house.wait_for_effects(count + 1)
    assert [each for each in content(house) if each[0] != "shelf-9"] == before
    assert shelves_in_order(house)
    eventually(lambda: house.unfinished() == {})


def kills_at_the_odd_one(_session: Session, event: Event) -> None:
    if event.data["n"] == ODD:
        os.kill(os.getpid(), signal.SIGKILL)


def test_an_event_that_kills_the_process_is_found_out_when_it_is_run_again(house: House, processes: Processes) -> None:
    house.subscribe()
    count = stock(house)
    exit_code = -signal.SIGKILL
    for _ in range(DEATHS_EACH + 1):
        if exit_code != -signal.SIGKILL:
            break
        life = processes.start("rebuild", house, handler=kills_at_the_odd_one)
        life.join(20)
        exit_code = life.exitcode
    assert exit_code == 0
    assert not is_paused(house)
    # What ended the first run is left to the live consumer.
    with processes.supervised("consumer", house, handler=kills_at_the_odd_one):
        (letter,) = eventually(house.dead_letters)
        house.wait_for_effects(count - 1)
    assert letter.reason == "kills-the-process"
    assert len(house.effects()) == count - 1
