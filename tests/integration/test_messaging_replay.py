"""Replay: one consumer hears history again, while its producer goes on."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from messaging.errors import ReplayRefused
from messaging.replay.history import History
from tests.integration.messaging_house import House
from tests.integration.messaging_replays import (
    content,
    in_the_background,
    rebuild,
    shelves_in_order,
    stock,
)
from tests.waiting import eventually


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


def sent_unless_busy(house: House) -> int:
    """Rebuild; 0 if the live consumer's batch took longer to end than a replay waits for it."""
    try:
        return rebuild(house).sent["shop"]
    except ReplayRefused:
        return 0


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
        assert eventually(lambda: sent_unless_busy(house)) > 220
    finally:
        enough.set()
        for writer in writers:
            writer.join()
    with house.engine.connect() as connection:
        made = connection.execute(text("SELECT count(*) FROM outbox")).scalar_one()
    house.wait_for_effects(made)
    assert len(house.effects()) == made
    assert shelves_in_order(house)


def test_what_is_committed_late_with_an_early_id_is_waited_for(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, pause = threading.Event(), History._pause

    def tell_and_pause(history: History) -> None:
        waits.set()
        pause(history)

    monkeypatch.setattr(History, "_pause", tell_and_pause)
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


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"names": ["shop.burnt"]}, r"does not listen to shop\.burnt"),
        ({"rebuild": True, "since": datetime.now(UTC)}, "only from all events"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_is_done(
    house: House, options: dict[str, Any], why: str
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
