"""What the tests of letters have in common: a post, and books with payouts to write about."""

from datetime import datetime, timedelta
from typing import Any

from billing_service import commands
from billing_service.jobs import send_next_letter
from billing_service.mail import Letter, MailError, PostIsAway
from tests.integration.billing_house import DAY, NOON, House, someone

LEASE = timedelta(minutes=10)


class Box:
    """A post that keeps what it takes, or fails."""

    lease = LEASE
    repeatable = False

    def __init__(self, failure: MailError | BaseException | None = None, *, away: bool = False) -> None:
        self.failure = failure
        self.away = away
        self.letters: list[Letter] = []

    def connect(self) -> None:
        if self.away:
            raise PostIsAway("mail.example: nobody answers")

    def deliver(self, letter: Letter) -> None:
        if self.failure is not None:
            raise self.failure
        self.letters.append(letter)


def send(house: House, post: Box, at: datetime = NOON) -> bool:
    house.clock.set(at)
    return send_next_letter(house.database, post)


def send_again(house: House) -> None:
    ((payout_id,),) = house.rows("SELECT id FROM payouts")
    with house.database.transaction() as session:
        commands.send_letter_again(session, payout_id)


def letters(house: House) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in house.rows("SELECT letter, attempts FROM payouts ORDER BY amount_cents")]


def paid(house: House, *cents: int) -> None:
    """Let people be owed these sums and close the day."""
    for amount in cents:
        house.post_to_new(someone(), amount)
    house.close(DAY, at=NOON)
