"""Letters about payouts: each once, again when it was refused, given up in the end, and never twice by itself."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import structlog
from apscheduler.schedulers.blocking import BlockingScheduler
from sqlalchemy import text

from billing_service import commands
from billing_service.domain.retries import ATTEMPTS, wait_after
from billing_service.jobs import add_jobs, send_letters
from billing_service.mail import DeliveryUnknown, Letter, NotDelivered, PostIsAway
from tests.integration.billing_house import DAY, NOON, House, completed, someone, user
from tests.integration.billing_letters import LEASE, Box, letters, paid, send, send_again


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    yield house
    house.dispose()


def recover(house: House) -> None:
    with house.database.transaction() as session:
        commands.recover_letters(session, repeatable=False)


def let_claims_run_out(house: House) -> None:
    with house.database.transaction() as session:
        session.execute(text("UPDATE payouts SET next_attempt_at = now() WHERE letter = 'sending'"))


def test_the_job_sends_every_letter_once_as_a_file(house: House) -> None:
    paid(house, 100, 200, 300)
    send_letters(house.settings, house.database)
    send_letters(house.settings, house.database)
    files = sorted(house.settings.letters_dir.iterdir())
    read = [message_from_bytes(Path(file).read_bytes(), policy=policy.default) for file in files]
    assert sorted(str(message["Subject"]).split()[1] for message in read) == ["$1.00", "$2.00", "$3.00"]
    assert len({message["Message-ID"] for message in read}) == 3
    assert {message["To"] for message in read} == {"rio@uberpopug.example"}
    assert letters(house) == [("sent", 1)] * 3


def test_letters_are_looked_for_every_few_seconds(house: House) -> None:
    scheduler = BlockingScheduler()
    add_jobs(scheduler, house.settings, house.database)
    (interval,) = (job.trigger.interval for job in scheduler.get_jobs() if job.id == "send_letters")
    assert interval <= timedelta(seconds=5)


def test_no_letter_is_sent_for_a_payout_that_is_not_committed(house: House) -> None:
    house.post_to_new(someone(), 100)
    with house.database.transaction() as session:
        commands.close_next_day(session, commands.open_books(session), up_to=DAY)
        post = Box()
        assert not send(house, post)
    assert send(house, post)
    assert [letter.amount_cents for letter in post.letters] == [100]


def test_nothing_is_locked_while_a_letter_is_on_its_way(house: House) -> None:
    paid(house, 100)

    class Looking(Box):
        def deliver(self, letter: Letter) -> None:
            idle = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
            assert house.rows(idle) == []
            super().deliver(letter)

    assert send(house, Looking())
    assert letters(house) == [("sent", 1)]


def test_a_letter_whose_sender_died_is_of_unknown_fate_and_not_sent_again(house: House) -> None:
    paid(house, 100)
    with pytest.raises(KeyboardInterrupt):
        send(house, Box(KeyboardInterrupt()))
    recover(house)
    assert letters(house) == [("sending", 0)]
    let_claims_run_out(house)
    recover(house)
    assert letters(house) == [("unknown", 0)]
    assert not send(house, Box(), NOON + timedelta(days=1))


def test_a_sender_keeps_its_letter_whatever_the_business_clock_is_put_forward_to(house: House) -> None:
    paid(house, 100)
    with house.database.transaction() as session:
        claim = commands.claim_letter(session, LEASE)
    assert claim
    house.clock.set(NOON + timedelta(days=30))
    recover(house)
    assert letters(house) == [("sending", 0)]
    with house.database.transaction() as session:
        commands.finish_letter(session, claim)
    assert letters(house) == [("sent", 1)]


def test_a_letter_whose_sender_died_is_sent_again_where_that_does_no_harm(house: House) -> None:
    paid(house, 100)
    with pytest.raises(KeyboardInterrupt):
        send(house, Box(KeyboardInterrupt()))
    let_claims_run_out(house)
    send_letters(house.settings, house.database)
    assert letters(house) == [("sent", 1)]
    assert len(list(house.settings.letters_dir.iterdir())) == 1


def test_a_sender_that_comes_back_after_its_time_tells_what_it_knows_and_undoes_nothing(house: House) -> None:
    paid(house, 100)
    with house.database.transaction() as session:
        claim = commands.claim_letter(session, timedelta())
    assert claim
    recover(house)
    with house.database.transaction() as session:
        commands.finish_letter(session, claim)
    assert letters(house) == [("sent", 1)]
    send_again(house)
    with house.database.transaction() as session:
        commands.finish_letter(session, claim, NotDelivered("too late to say so"))
    assert letters(house) == [("pending", 0)]


def test_a_letter_that_may_have_been_taken_is_not_repeated_and_others_go_on(house: House) -> None:
    paid(house, 100, 200)
    assert send(house, Box(DeliveryUnknown("the connection broke off")))
    post = Box()
    assert send(house, post)
    assert not send(house, post, NOON + timedelta(days=1))
    assert sorted(letters(house)) == [("sent", 1), ("unknown", 1)]


def test_a_refused_letter_is_tried_again_later_and_others_go_on(house: House) -> None:
    paid(house, 100)
    post = Box(NotDelivered("no such mailbox"))
    assert send(house, post)
    assert not send(house, post)
    post.failure = None
    assert not send(house, post, NOON + timedelta(seconds=59))
    assert send(house, post, NOON + timedelta(minutes=1))
    assert letters(house) == [("sent", 2)]


@pytest.mark.parametrize("post", [Box(away=True), Box(PostIsAway("the disk is full"))])
def test_a_post_that_is_away_costs_no_attempt_and_no_other_letter_is_tried(house: House, post: Box) -> None:
    paid(house, 100, 200)
    for _ in range(2 * ATTEMPTS):
        with pytest.raises(PostIsAway):
            send(house, post)
    assert letters(house) == [("pending", 0), ("pending", 0)]
    assert send(house, Box())


def test_of_a_post_that_is_away_only_the_job_tells(house: House) -> None:
    paid(house, 100)
    with structlog.testing.capture_logs() as lines, pytest.raises(PostIsAway):
        send(house, Box(PostIsAway("the disk is full")))
    assert lines == []


def test_a_letter_is_given_up_after_all_attempts_and_the_payout_stands(house: House) -> None:
    rio = someone()
    house.post_to_new(rio, 100)
    house.close(DAY, at=NOON)
    at = NOON
    for attempt in range(1, ATTEMPTS + 1):
        assert house.events("payout_failed") == []
        assert send(house, Box(NotDelivered("mailbox full")), at)
        at += wait_after(attempt) or timedelta(0)
    (failed,) = house.events("payout_failed")
    assert failed.data["reason"] == "mailbox full"
    assert failed.data["amount_cents"] == 100
    assert failed.data["user_id"] == str(rio)
    assert letters(house) == [("failed", ATTEMPTS)]
    assert not send(house, Box(), at + timedelta(days=1))
    assert house.balance(rio) == 0
    account = [event for event in house.events() if event.subject == failed.subject]
    assert [event.sequence for event in account] == list(range(1, len(account) + 1))


def test_a_letter_to_somebody_unknown_waits_until_it_is_known_who_it_is(house: House) -> None:
    rio, task = someone(), someone()
    house.handle(completed(task, rio))
    house.post_to_new(someone(), 100)
    house.close(DAY, at=NOON)
    post = Box()
    assert send(house, post)  # the other one, who is known
    assert not send(house, post)
    house.handle(user(rio, name="Kea"))
    assert send(house, post, NOON + timedelta(minutes=1))
    assert [letter.address for letter in post.letters] == ["rio@uberpopug.example", "kea@uberpopug.example"]
