"""Trying again: what costs an attempt and what does not, and who waits meanwhile."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from messaging import Event, RetryLater
from messaging.errors import EndsTheTransaction
from messaging.unbroken import unbroken
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import FailsAtFirst, hold, sold
from tests.waiting import eventually

pytestmark = pytest.mark.parametrize("in_batches", [False, True], ids=["one by one", "in batches"])


def test_a_failure_that_passes_costs_attempts_and_then_works(house: House) -> None:
    failures = iter([RetryLater("not yet"), ValueError("still not")])

    def fail_twice(session: Session, event: Event) -> None:
        if (error := next(failures, None)) is not None:
            raise error

    house.handler = fail_twice
    house.consumer()
    house.send_raw(sold(3).to_bytes())
    house.wait_for_effects(1)
    eventually(lambda: house.outcomes == {"retry": 2, "done": 1})
    assert house.dead_letters() == []


def test_a_failure_that_does_not_pass_ends_with_the_dead_letters_after_all_attempts(house: House) -> None:
    def fail(session: Session, event: Event) -> None:
        session.execute(text("INSERT INTO shelf VALUES ('half done', 1)"))
        raise ValueError("never")

    house.handler = fail
    house.consumer()
    house.send_raw(sold(3).to_bytes())
    (letter,) = eventually(house.dead_letters)
    assert (letter.reason, letter.attempts) == ("attempts-used-up", 4)
    assert "ValueError: never" in letter.detail
    with house.engine.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM shelf")).scalar() == 0


def test_while_an_event_waits_its_aggregate_waits_behind_it_and_others_flow(house: House) -> None:
    def fail_until_the_others_are_done(_session: Session, event: Event) -> None:
        if (event.subject, event.sequence) == ("apples", 1) and len(house.effects("pears")) < 10:
            raise RetryLater("not yet")

    house.handler = fail_until_the_others_are_done
    house.retry = replace(house.retry, attempts=1000)
    house.relay()
    house.consumer()
    with house.sessions.begin() as session:
        for n in range(10):
            house.sell_in(session, "apples", n)
            house.sell_in(session, "pears", n)
    house.wait_for_effects(20)
    assert house.sequences("apples") == list(range(1, 11))
    assert house.sequences("pears") == list(range(1, 11))
    order = [effect.subject for effect in house.effects()]
    assert order[:10] == ["pears"] * 10
    assert house.outcomes["waiting"] >= 9


def test_a_dead_event_does_not_hold_up_the_ones_behind_it(house: House) -> None:
    def fail_first(session: Session, event: Event) -> None:
        if event.sequence == 1:
            raise RetryLater("never")

    house.handler = fail_first
    house.relay()
    house.consumer()
    with house.sessions.begin() as session:
        for n in range(5):
            house.sell_in(session, "apples", n)
    house.wait_for_effects(4)
    assert house.sequences("apples") == [2, 3, 4, 5]
    assert len(house.dead_letters()) == 1


def test_an_event_in_whose_handling_the_process_died_again_and_again_is_taken_out(house: House) -> None:
    killer, neighbour = sold(666), sold(5)
    house.subscribe()
    hold(house, killer, neighbour)
    # One process took both and died with them, and two while they handled the first one alone.
    with house.engine.begin() as connection:
        begun = "UPDATE held_message SET started_by = gen_random_uuid(), starts = CASE id WHEN :id THEN 3 ELSE 1 END"
        connection.execute(text(begun), {"id": killer.id})
    house.consumer()
    house.wait_for_effects(1)
    (letter,) = eventually(house.dead_letters)
    assert (letter.id, letter.reason) == (killer.id, "kills-the-process")
    assert [effect.n for effect in house.effects()] == [5]
    eventually(lambda: house.unfinished() == {})


@pytest.mark.parametrize("ending", [Session.commit, Session.rollback, Session.close])
def test_a_handler_that_ends_its_transaction_takes_no_neighbours_along(
    house: House, ending: Callable[[Session], None]
) -> None:
    culprit = sold(666)

    def end(session: Session, event: Event) -> None:
        if event.id == culprit.id:
            ending(session)

    house.handler = end
    house.subscribe()
    house.send_raw(*(event.to_bytes() for event in (sold(1), culprit, sold(2), sold(3))))
    house.consumer()
    house.wait_for_effects(3)
    assert [effect.n for effect in house.effects()] == [1, 2, 3]
    (letter,) = eventually(house.dead_letters)
    assert (letter.id, letter.reason, letter.attempts) == (culprit.id, "ends-the-transaction", 1)


def test_a_handler_that_swallows_the_error_of_a_statement_is_found_out(house: House) -> None:
    with pytest.raises(EndsTheTransaction), house.sessions.begin() as session, unbroken(session), suppress(DBAPIError):
        session.execute(text("SELECT 1 / 0"))


def test_a_handler_may_go_on_after_a_statement_that_failed_in_a_savepoint(house: House) -> None:
    with house.sessions.begin() as session, unbroken(session):
        with suppress(DBAPIError), session.begin_nested():
            session.execute(text("SELECT 1 / 0"))
        assert session.scalar(text("SELECT 1")) == 1


def test_a_database_that_is_away_costs_no_attempts(house: House) -> None:
    cut = threading.Event()

    def cut_the_line_once(session: Session, event: Event) -> None:
        if event.data["n"] == 3 and not cut.is_set():
            cut.set()
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    house.handler = cut_the_line_once
    house.consumer()
    house.send_raw(*(sold(n).to_bytes() for n in range(6)))
    house.wait_for_effects(6)
    eventually(lambda: house.outcomes == {"done": 6})
    assert [effect.n for effect in house.effects()] == list(range(6))


def test_later_events_wait_behind_one_that_was_held_before_the_consumer_began(house: House) -> None:
    first, second, third = (sold(n, subject="apples", sequence=n) for n in (1, 2, 3))
    house.subscribe()
    hold(house, first)
    house.send_raw(second.to_bytes(), third.to_bytes())
    house.consumer()
    house.wait_for_effects(3)
    assert house.sequences("apples") == [1, 2, 3]


def test_a_long_line_is_handled_in_its_order_though_it_does_not_fit_into_a_batch(house: House) -> None:
    house.handler = FailsAtFirst()
    house.subscribe()
    house.send_raw(*(sold(n, subject="apples", sequence=n).to_bytes() for n in range(1, 31)))
    house.consumer(batch=4)
    house.wait_for_effects(30)
    assert house.sequences("apples") == list(range(1, 31))
    eventually(lambda: house.unfinished() == {})


def test_a_redelivered_event_is_not_blamed_for_a_database_that_goes_away_again_and_again(house: House) -> None:
    cuts = iter(range(4))

    def cut_the_line(session: Session, event: Event) -> None:
        if next(cuts, None) is not None:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    house.handler = cut_the_line
    house.consumer()
    house.stop_last()
    house.send_raw(sold(5).to_bytes())
    dying = house.broker.receiver(f"{house.service}.events", prefetch=10)
    eventually(lambda: dying.receive(10, 0.1))
    dying.close()
    house.consumer()
    house.wait_for_effects(1)
    assert house.dead_letters() == []
