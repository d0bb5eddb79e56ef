"""Movements of money, one by one: each is a single statement that posts all of it, or finds it posted already."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books
from billing_service.commands.direct import execute
from billing_service.domain.ledger import Kind, Side, Transaction
from billing_service.models import BANK_ACCOUNT, COMPANY_ACCOUNT
from messaging import publish

_ACCOUNTS: Mapping[Side, UUID] = MappingProxyType({Side.COMPANY: COMPANY_ACCOUNT, Side.BANK: BANK_ACCOUNT})

#: Nothing happens without an account, nor when one of the ledger's unique keys says that it has happened before.
#: The balance is changed by the same statement that writes the entry; `version` counts the events to be published.
_POST = text(
    """
    WITH posted AS (
        INSERT INTO ledger_transactions
            (id, kind, business_day, posted_at, task_id, assignment_no, cause_event_id, note, made_by)
        SELECT :id, :kind, :day, :now, :task_id, :assignment_no, :cause_event_id, :note, :made_by
        WHERE EXISTS (SELECT FROM accounts WHERE user_id = :user_id)
        ON CONFLICT DO NOTHING
        RETURNING id
    ), account AS (
        UPDATE accounts SET balance_cents = balance_cents + :amount_cents, version = version + :events
        FROM posted WHERE user_id = :user_id
        RETURNING accounts.id, balance_cents, version
    ), entries AS (
        INSERT INTO ledger_entries (transaction_id, business_day, account_id, amount_cents, balance_after_cents)
        SELECT posted.id, CAST(:day AS date), account.id, CAST(:amount_cents AS bigint), account.balance_cents
        FROM posted, account
        UNION ALL
        SELECT posted.id, CAST(:day AS date), CAST(:other_id AS uuid), CAST(:other_cents AS bigint), NULL
        FROM posted, account
    ), income AS (
        UPDATE days SET fees_cents = fees_cents + :fees_cents, rewards_cents = rewards_cents + :rewards_cents,
                        version = version + 1
        FROM posted WHERE day = :day AND :fees_cents + :rewards_cents > 0
        RETURNING fees_cents, rewards_cents, version
    )
    SELECT account.id AS account_id, account.balance_cents, account.version, income.fees_cents, income.rewards_cents,
           income.version AS income_version
    FROM account LEFT JOIN income ON true
    """
)


@dataclass(frozen=True)
class Posted:
    """A movement that was posted just now, and what it made of the account."""

    transaction_id: UUID
    kind: Kind
    account_id: UUID
    user_id: UUID
    amount_cents: int
    balance_cents: int
    #: The account's version: the sequence of the last of the events about it.
    version: int
    day: date


def post(
    session: Session,
    books: Books,
    transaction: Transaction,
    *,
    user_id: UUID,
    transaction_id: UUID | None = None,
    task_id: UUID | None = None,
    assignment_no: int | None = None,
    cause_event_id: UUID | None = None,
    note: str | None = None,
    made_by: UUID | None = None,
    more_events: int = 0,
) -> Posted | None:
    """Post a movement into the day of the books; None if it is posted already, or if there is no account.

    The two events about a movement are left to `publish_movement`, after the `more_events` that go before them;
    only the one about the management's income is published here.
    """
    kind, employee, other = transaction.kind, transaction.employee, transaction.other
    fees_cents = -employee.amount_cents if kind is Kind.FEE else 0
    rewards_cents = employee.amount_cents if kind is Kind.REWARD else 0
    transaction_id = transaction_id or uuid4()
    row = execute(
        session,
        _POST,
        {
            "id": transaction_id,
            "kind": kind.value,
            "day": books.day,
            "now": books.now,
            "task_id": task_id,
            "assignment_no": assignment_no,
            "cause_event_id": cause_event_id,
            "note": note,
            "made_by": made_by,
            "user_id": user_id,
            "amount_cents": employee.amount_cents,
            "other_id": _ACCOUNTS[other.side],
            "other_cents": other.amount_cents,
            "events": 2 + more_events,
            "fees_cents": fees_cents,
            "rewards_cents": rewards_cents,
        },
    ).one_or_none()
    if row is None:
        return None
    if row.income_version is not None:
        income = events.management_income_changed(
            books.day,
            sequence=row.income_version,
            fees_cents=row.fees_cents,
            rewards_cents=row.rewards_cents,
            changed_at=books.now,
        )
        publish(session, income)
    return Posted(
        transaction_id,
        kind,
        row.account_id,
        user_id,
        employee.amount_cents,
        row.balance_cents,
        row.version,
        books.day,
    )


def publish_movement(
    session: Session,
    books: Books,
    posted: Posted,
    *,
    task_id: UUID | None = None,
    cause_event_id: UUID | None = None,
) -> None:
    """Publish the movement and the balance that it led to."""
    movement = events.transaction_posted(
        posted.account_id,
        posted.user_id,
        sequence=posted.version - 1,
        transaction_id=posted.transaction_id,
        kind=posted.kind.value,
        task_id=task_id,
        amount_cents=posted.amount_cents,
        balance_after_cents=posted.balance_cents,
        business_day=posted.day,
        posted_at=books.now,
        cause_event_id=cause_event_id,
    )
    publish(session, movement)
    balance = events.balance_changed(
        posted.account_id,
        posted.user_id,
        sequence=posted.version,
        balance_cents=posted.balance_cents,
        business_day=posted.day,
        changed_at=books.now,
    )
    publish(session, balance)


def publish_payout(
    session: Session, books: Books, posted: Posted, payout_id: UUID, *, cause_event_id: UUID | None = None
) -> None:
    """Publish a payout and the movement that it is: three events in all."""
    made = events.payout_made(
        posted.account_id,
        posted.user_id,
        sequence=posted.version - 2,
        payout_id=payout_id,
        day=posted.day,
        amount_cents=-posted.amount_cents,
        made_at=books.now,
    )
    publish(session, made)
    publish_movement(session, books, posted, cause_event_id=cause_event_id)
