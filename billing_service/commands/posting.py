"""Movements of money: however many there are, one statement posts those that are not posted already."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books
from billing_service.commands.direct import execute
from billing_service.domain.ledger import Side, Transaction
from billing_service.models import BANK_ACCOUNT, COMPANY_ACCOUNT
from messaging import Event, caused_by, current_context, publish

_ACCOUNTS: Mapping[Side, UUID] = MappingProxyType({Side.COMPANY: COMPANY_ACCOUNT, Side.BANK: BANK_ACCOUNT})

#: Nothing happens without an account, nor where one of the ledger's unique keys says that it has happened before.
#: `version` counts the events to be published: one for each movement, one for the balance, and those that follow.
_POST = text(
    """
    WITH wanted AS (
        SELECT wanted.*, account.id AS account_id
        FROM unnest(
            CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:user_ids AS uuid[]), CAST(:task_ids AS uuid[]),
            CAST(:assignment_nos AS int[]), CAST(:cause_event_ids AS uuid[]), CAST(:notes AS text[]),
            CAST(:made_by AS uuid[]), CAST(:correlation_ids AS uuid[]), CAST(:cents AS bigint[]),
            CAST(:other_ids AS uuid[]), CAST(:events_after AS int[])
        ) WITH ORDINALITY AS wanted (
            id, kind, user_id, task_id, assignment_no, cause_event_id, note, made_by, correlation_id, cents, other_id,
            events_after, place
        ) JOIN accounts account ON account.user_id = wanted.user_id
    ), posted AS (
        INSERT INTO ledger_transactions
            (id, kind, business_day, posted_at, task_id, assignment_no, cause_event_id, note, made_by, correlation_id)
        SELECT id, kind, CAST(:day AS date), :now, task_id, assignment_no, cause_event_id, note, made_by, correlation_id
        FROM wanted ORDER BY place
        ON CONFLICT DO NOTHING
        RETURNING id
    ), moved AS (
        SELECT wanted.*, sum(cents) OVER line AS cents_so_far, row_number() OVER line AS number
        FROM wanted JOIN posted USING (id)
        WINDOW line AS (PARTITION BY account_id ORDER BY place)
    ), account AS (
        UPDATE accounts
        SET balance_cents = balance_cents + total.cents, version = version + total.movements + 1 + total.events_after
        FROM (SELECT account_id, sum(cents)::bigint AS cents, count(*)::int AS movements,
                     sum(events_after)::int AS events_after FROM moved GROUP BY account_id) total
        WHERE accounts.id = total.account_id
        RETURNING accounts.id, balance_cents, balance_cents - total.cents AS cents_before,
                  version - total.events_after AS balance_sequence,
                  version - total.events_after - 1 - total.movements AS version_before
    ), entries AS (
        INSERT INTO ledger_entries (transaction_id, business_day, account_id, amount_cents, balance_after_cents)
        SELECT transaction_id, CAST(:day AS date), account_id, cents, balance_cents FROM (
            SELECT moved.id AS transaction_id, account_id, cents, cents_before + cents_so_far AS balance_cents, place
            FROM moved JOIN account ON account.id = account_id
            UNION ALL
            SELECT moved.id, other_id, -cents, NULL, place FROM moved
        ) entry ORDER BY place, balance_cents
    ), income AS (
        UPDATE days
        SET fees_cents = fees_cents + total.fees, rewards_cents = rewards_cents + total.rewards, version = version + 1
        FROM (SELECT coalesce(-sum(cents) FILTER (WHERE kind = 'fee'), 0)::bigint AS fees,
                     coalesce(sum(cents) FILTER (WHERE kind = 'reward'), 0)::bigint AS rewards FROM moved) total
        WHERE day = :day AND fees + rewards > 0
        RETURNING fees_cents, rewards_cents, version
    )
    SELECT moved.id, account_id, (cents_before + cents_so_far)::bigint AS balance_after_cents,
           (version_before + number)::int AS sequence, balance_cents, balance_sequence,
           income.fees_cents, income.rewards_cents, income.version AS income_version
    FROM moved JOIN account ON account.id = account_id LEFT JOIN income ON true
    ORDER BY place
    """
)


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A movement of money between an employee and one other, to be posted once."""

    transaction: Transaction
    #: The employee.
    user_id: UUID
    id: UUID = field(default_factory=uuid4)
    task_id: UUID | None = None
    assignment_no: int | None = None
    #: The event that caused it; None when a person or the robot did.
    cause: Event | None = None
    note: str | None = None
    made_by: UUID | None = None
    #: Events about the account that the caller publishes next: their numbers are kept free.
    events_after: int = 0

    @property
    def cause_event_id(self) -> UUID | None:
        """Return the id of the event that caused it."""
        return None if self.cause is None else self.cause.id

    @property
    def correlation_id(self) -> UUID | None:
        """Return what it shares with all that the same request or job set off."""
        return current_context().correlation_id if self.cause is None else self.cause.correlation_id

    def context(self) -> AbstractContextManager[None]:
        """Return a context in which events are tied to the cause."""
        return nullcontext() if self.cause is None else caused_by(self.cause)


@dataclass(frozen=True)
class Posted:
    """A movement that was posted just now, and what it made of the account."""

    movement: Movement
    account_id: UUID
    balance_after_cents: int
    #: Of the event about it.
    sequence: int
    #: Of the event about the balance; those that the caller publishes next follow it.
    balance_sequence: int


def post(session: Session, books: Books, movements: Sequence[Movement]) -> list[Posted]:
    """Post movements into the day of the books, in this order, and publish them; return those that were posted.

    Left out are movements without an account, and those of which one of the ledger's unique keys says that they are
    posted already. Each posted one is published as `transaction_posted`; the state that they lead to once for each
    account (`balance_changed`) and once for the day (`management_income_changed`).
    """
    rows = execute(session, _POST, _as_columns(books, movements)).all() if movements else []
    by_id = {movement.id: movement for movement in movements}
    posted = [
        Posted(by_id[row.id], row.account_id, row.balance_after_cents, row.sequence, row.balance_sequence)
        for row in rows
    ]
    for one in posted:
        _publish_movement(session, books, one)
    last_of_account = {row.account_id: row for row in rows}
    for row in last_of_account.values():
        _publish_balance(session, books, by_id[row.id], row)
    if rows and rows[-1].income_version is not None:
        _publish_income(session, books, by_id[rows[-1].id], rows[-1])
    return posted


def _as_columns(books: Books, movements: Sequence[Movement]) -> dict[str, Any]:
    return {
        "day": books.day,
        "now": books.now,
        "ids": [str(movement.id) for movement in movements],
        "kinds": [movement.transaction.kind.value for movement in movements],
        "user_ids": [str(movement.user_id) for movement in movements],
        "task_ids": [_text(movement.task_id) for movement in movements],
        "assignment_nos": [movement.assignment_no for movement in movements],
        "cause_event_ids": [_text(movement.cause_event_id) for movement in movements],
        "notes": [movement.note for movement in movements],
        "made_by": [_text(movement.made_by) for movement in movements],
        "correlation_ids": [_text(movement.correlation_id) for movement in movements],
        "cents": [movement.transaction.employee.amount_cents for movement in movements],
        "other_ids": [str(_ACCOUNTS[movement.transaction.other.side]) for movement in movements],
        "events_after": [movement.events_after for movement in movements],
    }


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _publish_movement(session: Session, books: Books, posted: Posted) -> None:
    movement = posted.movement
    with movement.context():
        publish(
            session,
            events.transaction_posted(
                posted.account_id,
                movement.user_id,
                sequence=posted.sequence,
                transaction_id=movement.id,
                kind=movement.transaction.kind.value,
                task_id=movement.task_id,
                amount_cents=movement.transaction.employee.amount_cents,
                balance_after_cents=posted.balance_after_cents,
                business_day=books.day,
                posted_at=books.now,
                cause_event_id=movement.cause_event_id,
            ),
        )


def _publish_balance(session: Session, books: Books, last: Movement, row: Row[*tuple[Any, ...]]) -> None:
    with last.context():
        publish(
            session,
            events.balance_changed(
                row.account_id,
                last.user_id,
                sequence=row.balance_sequence,
                balance_cents=row.balance_cents,
                business_day=books.day,
                changed_at=books.now,
            ),
        )


def _publish_income(session: Session, books: Books, last: Movement, row: Row[*tuple[Any, ...]]) -> None:
    with last.context():
        publish(
            session,
            events.management_income_changed(
                books.day,
                sequence=row.income_version,
                fees_cents=row.fees_cents,
                rewards_cents=row.rewards_cents,
                changed_at=books.now,
            ),
        )
