"""Many at once: nobody deadlocks, nothing is posted twice, and nothing lands in a day that closes meanwhile."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from random import Random
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import text

from billing_service import commands
from billing_service.commands import Movement
from billing_service.domain import ledger
from billing_service.jobs import send_next_letter
from chassis.db import utc_now
from tests.integration.billing_house import (
    DAY,
    NOON,
    ONE_DAY,
    House,
    assigned,
    batches,
    completed,
    handle,
    history,
    someone,
    user,
)
from tests.waiting import eventually


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


def _handle(house: House, batch: Any) -> None:
    with house.database.transaction() as session:
        for event in batch:
            handle(session, event)


def test_consumers_that_overlap_neither_deadlock_nor_post_twice(house: House) -> None:
    """As when one consumer takes over from another that still works on its last batch, only worse."""
    made = history(Random(11), people=4, tasks=30)
    work = []
    for seed in range(4):
        events = list(made.events)
        Random(seed).shuffle(events)
        work.append(list(batches(Random(seed), events)))
    start = Barrier(len(work))

    def consume(own: Any) -> None:
        start.wait()
        for batch in own:
            _handle(house, batch)

    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(consume, own) for own in work]:
            done.result()
    kinds = dict(
        tuple(row) for row in house.rows("SELECT kind, count(*) AS number FROM ledger_transactions GROUP BY kind")
    )
    assert kinds == {"fee": made.fees, "reward": made.rewards}
    assert len(house.events("task_priced")) == 30
    assert house.problems() == []


def test_days_close_once_while_postings_go_on(house: House) -> None:
    """Closers and posters race for the same day; whoever loses finds it closed and goes on with the next."""
    people = [someone() for _ in range(5)]
    house.handle(*(user(person) for person in people), at=utc_now())
    (today,) = (row.day for row in house.rows("SELECT day FROM days"))
    start = Barrier(5)

    def post(seed: int) -> None:
        random = Random(seed)
        start.wait()
        for _ in range(15):
            person, task = random.choice(people), someone()
            _handle(house, [assigned(task, person), completed(task, person)])

    def close(_: int) -> None:
        start.wait()
        house.close(today, at=utc_now())

    with ThreadPoolExecutor(5) as pool:
        for done in [*(pool.submit(post, seed) for seed in range(3)), *(pool.submit(close, n) for n in range(2))]:
            done.result()
    assert [event.data["day"] for event in house.events("day_closed")] == [str(today)]
    assert len(house.rows("SELECT * FROM ledger_transactions WHERE kind IN ('fee', 'reward')")) == 90
    paid = house.rows("SELECT account_id, count(*) FROM payouts GROUP BY account_id HAVING count(*) > 1")
    assert paid == []
    assert house.problems() == []


def test_a_posting_that_is_under_way_holds_up_the_close_of_its_day_and_is_part_of_it(house: House) -> None:
    rio, task = someone(), someone()
    house.handle(user(rio), at=NOON)
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        session = stack.enter_context(house.database.transaction())
        books = commands.open_books(session)
        done = completed(task, rio)
        prices = commands.price_tasks(session, books, {task: done})[task]
        reward = Movement(transaction=ledger.reward(prices.reward_cents), user_id=rio, task_id=task, cause=done)
        commands.post_for_tasks(session, books, [reward])
        closing = pool.submit(house.close, DAY, at=NOON + ONE_DAY)
        eventually(lambda: house.rows("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
        stack.close()  # commits the posting
        assert closing.result() == [DAY]
    assert house.balance(rio) == 0
    assert house.report(DAY).totals.payout_cents == prices.reward_cents
    assert house.problems() == []


def test_the_database_holds_up_the_close_even_for_who_took_no_lock(house: House) -> None:
    """A posting past the commands: its row lock on the day alone makes the close wait, and then fail or follow."""
    house.handle(user(someone()), at=NOON)
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        session = stack.enter_context(house.database.transaction())
        session.execute(
            text(
                """
                WITH movement AS (
                    INSERT INTO ledger_transactions (id, kind, business_day, posted_at)
                    VALUES (gen_random_uuid(), 'payout', :day, :now) RETURNING id, business_day
                )
                INSERT INTO ledger_entries (transaction_id, business_day, account_id, amount_cents)
                SELECT movement.id, business_day, accounts.id, CASE kind WHEN 'bank' THEN 1 ELSE -1 END
                FROM movement, accounts WHERE kind IN ('bank', 'company')
                """
            ),
            {"day": DAY, "now": NOON},
        )
        closing = pool.submit(house.close, DAY, at=NOON + ONE_DAY)
        eventually(
            lambda: house.rows(
                "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            )
        )
        session.rollback()
        stack.close()
        assert closing.result() == [DAY]


def test_one_letter_is_not_sent_by_two_at_once(house: House) -> None:
    rio = someone()
    house.post_to_new(rio, 100)
    house.close(DAY, at=NOON)
    delivered: list[object] = []

    class Slow:
        """Lets another sender look while the letter is on its way."""

        lease = ONE_DAY
        repeatable = False

        def connect(self) -> None:
            pass

        def deliver(self, letter: object) -> None:
            delivered.append(letter)
            if len(delivered) == 1:
                assert not send_next_letter(house.database, self)

    assert send_next_letter(house.database, Slow())
    assert len(delivered) == 1
