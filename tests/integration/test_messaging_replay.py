"""Replay: one consumer hears history again, while its producer goes on, and nothing is done twice or out of order."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from messaging import Event, PermanentError, RabbitBroker, RetryLater
from messaging.dead_letters import Actor, Decision, decide, replay_edited
from messaging.errors import BrokerUnavailable, ReplayLost, ReplayRefused, ReplayStopped
from messaging.replay import ReplayReport, abandon, ongoing
from messaging.replay.history import History
from messaging.replay.pause import begin
from messaging.replay.sending import Sender
from messaging.topology import events_queue
from tests.integration.conftest import ConnectionCutter
from tests.integration.messaging_house import SOLD, House
from tests.integration.messaging_processes import DEATHS_EACH, KillPoint, Processes, wait_for_death
from tests.waiting import eventually

SOMEBODY = Actor("Somebody")
#: `n` of an event with which something is the matter.
ODD = 7


def stock(house: House, *, shelves: int = 5, each: int = 20) -> int:
    """Sell from some shelves in turn; return how many events that made."""
    with house.sessions.begin() as session:
        for n in range(shelves * each):
            house.sell_in(session, f"shelf-{n % shelves}", n)
    return shelves * each


def rebuild(house: House, of: House | None = None) -> ReplayReport:
    return house.make_replay(of=of, rebuild=True).run(threading.Event())


def content(house: House) -> list[tuple[str, int, int]]:
    """What a consumer has made of the events; which shelf came first does not matter."""
    return sorted((effect.subject, effect.sequence, effect.n) for effect in house.effects())


def shelves_in_order(house: House) -> bool:
    lines: dict[str, list[int]] = {}
    for effect in house.effects():
        lines.setdefault(effect.subject, []).append(effect.sequence)
    return all(line == list(range(1, len(line) + 1)) for line in lines.values())


@contextmanager
def in_the_background(house: House, **options: object) -> Iterator[tuple[threading.Event, list[ReplayReport]]]:
    """A rebuild on a thread: yields what stops it, and a list in which the report is found at the end of the block."""
    stop, reports = threading.Event(), list[ReplayReport]()
    replay = house.make_replay(rebuild=True, **options)
    thread = threading.Thread(target=lambda: reports.append(replay.run(stop)))
    thread.start()
    try:
        yield stop, reports
    finally:
        thread.join()


def is_paused(house: House) -> bool:
    with house.sessions() as session:
        return ongoing(session) is not None


def test_a_service_that_has_forgotten_everything_is_rebuilt_and_goes_on_live(house: House) -> None:
    house.relay()
    house.consumer()
    count = stock(house)
    house.wait_for_effects(count)
    before = content(house)
    report = rebuild(house)
    assert (report.sent, report.outcomes) == ({"shop": count}, {"done": count})
    assert content(house) == before
    house.sell("shelf-0")
    house.wait_for_effects(count + 1)
    assert shelves_in_order(house)


def test_of_two_consumers_only_the_one_that_is_named_hears_it(house: House, neighbour: House) -> None:
    house.relay()
    house.consumer()
    neighbour.consumer()
    count = stock(house)
    for each in (house, neighbour):
        each.wait_for_effects(count)
    assert rebuild(neighbour, of=house).outcomes == {"done": count}
    assert neighbour.outcomes == house.outcomes == {"done": count}
    assert len(house.effects()) == len(neighbour.effects()) == count


def test_what_was_handled_before_has_no_second_effect(house: House) -> None:
    house.relay()
    house.consumer()
    count = stock(house)
    house.wait_for_effects(count)
    assert house.make_replay().run(threading.Event()).outcomes == {"duplicate": count}
    assert len(house.effects()) == count


def test_a_consumer_that_was_not_there_hears_what_it_has_missed(house: House) -> None:
    house.relay()
    count = stock(house)
    eventually(lambda: house.pending() == 0)  # and nobody was bound: they are among the unrouted
    report = house.make_replay().run(threading.Event())
    assert report.outcomes == {"done": count}
    assert shelves_in_order(house)


def test_only_what_was_made_since_then_is_sent(house: House) -> None:
    stock(house)
    house.subscribe()
    in_an_hour = datetime.now(UTC) + timedelta(hours=1)
    assert house.make_replay(since=in_an_hour).run(threading.Event()).sent == {}
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    assert house.make_replay(since=an_hour_ago).run(threading.Event()).sent == {"shop": 100}


def test_it_is_rebuilt_while_many_writers_go_on(house: House) -> None:
    house.relay()
    house.consumer()
    stock(house, shelves=4, each=50)
    house.wait_for_effects(200)
    enough = threading.Event()

    def write(seed: int) -> None:
        n = 0
        while not enough.wait(0.01):
            with house.sessions.begin() as session:
                house.sell_in(session, f"shelf-{(seed + n) % 8}", n)
                if n % 3 == 0:
                    house.draw_ids(session)
                    session.execute(text("SELECT pg_sleep(0.01)"))
            n += 1

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(8)]
    for writer in writers:
        writer.start()
    try:
        eventually(lambda: len(house.effects()) > 220)
        assert rebuild(house).sent["shop"] > 220
    finally:
        enough.set()
        for writer in writers:
            writer.join()
    with house.engine.connect() as connection:
        made = connection.execute(text("SELECT count(*) FROM outbox")).scalar_one()
    house.wait_for_effects(made, timeout=60)
    assert len(house.effects()) == made
    assert shelves_in_order(house)


def test_what_is_committed_late_with_an_early_id_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, pause = threading.Event(), History._pause
    monkeypatch.setattr(History, "_pause", lambda history: waits.set() or pause(history))
    house.subscribe()
    with house.sessions.begin() as late:
        house.sell_in(late, "apples")
        house.draw_ids(late)
        house.sell("pears")
        with in_the_background(house) as (_, reports):
            assert waits.wait(20)
            late.commit()
    assert reports[0].outcomes == {"done": 2}


def test_what_was_handled_and_not_yet_marked_as_published_is_replayed_too(house: House) -> None:
    house.relay()
    house.consumer()
    stock(house)
    house.wait_for_effects(100)
    eventually(lambda: house.pending() == 0)
    house.stop_last()
    house.stop_last()
    with house.engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET published_at = NULL WHERE id % 7 = 0"))
    assert rebuild(house).outcomes == {"done": 100}


def test_live_consumers_pause_and_say_so_and_go_on_by_themselves(house: House) -> None:
    house.relay()
    consumer = house.consumer()
    with house.sessions.begin() as session:
        begin(session, "a replay that was cut short")
    eventually(lambda: "replay" in consumer.condition.doing and not consumer.condition.ready)
    house.sell("apples")
    house.send_raw(b"not an event")
    eventually(lambda: house.pending() == 0)
    assert (house.effects(), house.dead_letters()) == ([], [])
    abandon(house.sessions)
    house.wait_for_effects(1)
    eventually(house.dead_letters)
    eventually(lambda: consumer.condition.ready)


def test_the_pause_begins_when_the_batch_that_is_under_way_has_ended(house: House) -> None:
    reached, go_on = threading.Event(), threading.Event()

    def take_long(_session: Session, _event: Event) -> None:
        reached.set()
        go_on.wait(20)

    house.handler = take_long
    house.relay()
    house.consumer()
    house.sell("apples")
    assert reached.wait(20)
    with house.sessions.begin() as session, pytest.raises(ReplayRefused, match="a batch"):
        begin(session, "a replay")
    go_on.set()
    with house.sessions.begin() as session:
        begin(session, "a replay")
        assert house.sequences("apples") == [1]


def test_a_pause_is_no_death_and_costs_no_attempt(house: House) -> None:
    house.consumer()
    house.stop_last()
    with house.sessions.begin() as session:
        begin(session, "a replay that was cut short")
    house.send_raw(Event.new(f"{SOLD}.v1", subject="apples", sequence=1, data={"n": 1}).to_bytes())
    queue = events_queue(house.service)
    for _ in range(4):  # each of them has the event in its hands and gives it back when it is stopped
        consumer = house.consumer()
        eventually(lambda: house.broker.queue_state(queue).ready == 0)
        eventually(lambda c=consumer: "replay" in c.condition.doing)
        house.stop_last()
        eventually(lambda: house.broker.queue_state(queue).consumers == 0)
    abandon(house.sessions)
    house.consumer()
    house.wait_for_effects(1)
    assert (house.outcomes, house.dead_letters()) == ({"done": 1}, [])


def test_an_event_that_fails_in_a_replay_is_tried_again_afterwards_and_keeps_its_place(house: House) -> None:
    house.relay()
    house.consumer()
    stock(house)
    house.wait_for_effects(100)

    def fail_on_one_shelf(session: Session, event: Event) -> None:
        if event.subject == "shelf-3" and event.sequence == 5 and is_paused(house):
            raise RetryLater("not while it is rebuilt")

    house.handler = fail_on_one_shelf
    report = rebuild(house)
    assert report.outcomes == {"done": 84, "retry": 1, "waiting": 15}
    house.wait_for_effects(100)
    assert shelves_in_order(house)
    eventually(lambda: house.unfinished() == {})


def test_in_a_long_replay_nobody_who_waits_is_given_up(house: House) -> None:
    house.relay()
    house.consumer()
    stock(house)
    house.wait_for_effects(100)

    def fail_once_then_take_long(session: Session, event: Event) -> None:
        if event.subject == "shelf-3" and is_paused(house):
            if event.sequence == 5:
                raise RetryLater("not while it is rebuilt")
            session.execute(text("UPDATE waiting SET retry_at = now() - interval '1 hour'"))

    house.handler = fail_once_then_take_long
    rebuild(house)
    house.wait_for_effects(100)
    assert shelves_in_order(house)


def test_an_event_that_is_refused_in_a_replay_is_a_dead_letter_and_holds_nobody_up(house: House) -> None:
    house.relay()
    stock(house)
    with house.engine.begin() as connection:  # before there was a schema for it
        connection.execute(text("UPDATE outbox SET body = 'not an event' WHERE id = 50"))

    def refuse_one(_session: Session, event: Event) -> None:
        if event.data["n"] == ODD:
            raise PermanentError("an odd one")

    house.handler = refuse_one
    assert rebuild(house).outcomes == {"done": 98, "dead": 2}
    assert {letter.reason for letter in house.dead_letters()} == {"refused-by-handler", "not-an-event"}


def test_what_is_dead_stays_dead_and_what_was_edited_comes_edited(house: House) -> None:
    def refuse_some(_session: Session, event: Event) -> None:
        if event.data["n"] in (ODD, 2 * ODD, 3 * ODD):
            raise PermanentError("an odd one")

    house.handler = refuse_some
    house.relay()
    house.consumer()
    house.desk()
    stock(house)
    eventually(lambda: len(house.dead_letters()) == 3)
    _, discarded, edited = (letter.id for letter in house.dead_letters())
    with house.sessions.begin() as session:
        decide(session, discarded, Decision.DISCARD, by=SOMEBODY)
        replay_edited(session, edited, {"data": {"n": 1000, "colour": "red"}}, by=SOMEBODY, registry=house.registry)
    house.wait_for_effects(98)
    eventually(lambda: len(house.dead_letters()) == 1)
    before = content(house)
    house.handler = lambda session, event: None
    report = rebuild(house)
    assert (report.outcomes, report.stayed_dead) == ({"done": 98}, 2)
    assert content(house) == before


def test_connections_that_are_cut_change_neither_order_nor_number(house: House, cutter: ConnectionCutter) -> None:
    house.subscribe()
    stock(house, shelves=20, each=60)
    with in_the_background(house) as (_, reports):
        for effects in (1, 500):
            house.wait_for_effects(effects, timeout=30)
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
        house.make_replay(of=SimpleNamespace(engine=house.engine, broker=elsewhere)).run(threading.Event())


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
    house.handler = lambda session, event: None if event.data["n"] else go_on.wait(20) and None
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
    stock(house, shelves=10, each=50)

    def lose_it(session: Session, event: Event) -> None:
        if event.data["n"] == 250:
            with house.sessions.begin() as other:
                other.execute(text("SET LOCAL lock_timeout = '50ms'"))
                other.execute(text("UPDATE replay SET run = gen_random_uuid()"))

    house.handler = lose_it
    with pytest.raises(ReplayLost):
        rebuild(house)
    assert len(house.effects()) < 500
    assert is_paused(house)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"names": ["shop.burnt"]}, r"does not listen to shop\.burnt"),
        ({"rebuild": True, "since": datetime.now(UTC)}, "only from all events"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    house: House, options: dict[str, object], why: str
) -> None:
    with pytest.raises(ReplayRefused, match=why):
        house.make_replay(**options)


def test_it_is_known_beforehand_what_is_not_retained_any_more(house: House) -> None:
    house.relay()
    stock(house)
    eventually(lambda: house.pending() == 0)
    with house.engine.begin() as connection:
        connection.execute(text("DELETE FROM outbox WHERE id <= 30"))
    (survey,) = house.make_replay().survey()
    assert (survey.producer, survey.retained, survey.deleted) == ("shop", 70, 30)


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
    count = stock(house, shelves=6, each=50)
    house.wait_for_effects(count, timeout=30)
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
    (letter,) = house.dead_letters()
    assert letter.reason == "kills-the-process"
    assert len(house.effects()) == count - 1
    assert not is_paused(house)
