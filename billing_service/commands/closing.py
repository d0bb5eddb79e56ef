"""The end of a business day: everyone's balance of that day is paid out, or carried to the next.

A few statements for all accounts together, in one transaction: a day is closed as a whole or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID, uuid4

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books, open_books, shut_books
from billing_service.domain import business_day, ledger
from billing_service.domain.closing import amount_to_pay
from billing_service.domain.ledger import Transaction
from billing_service.errors import FutureDay
from billing_service.models import BANK_ACCOUNT, OPEN, PENDING, LedgerEntry, LedgerTransaction, Payout
from messaging import publish

#: A balance of the day is the sum of the entries up to and including it, which is today's balance without later
#: entries: of those there are few or none, while the entries up to the day are all of history.
_BALANCES = text(
    """
    SELECT account.id, account.user_id, account.status, account.balance_cents,
           (account.balance_cents - coalesce(later.cents, 0))::bigint AS day_balance_cents
    FROM accounts account
    LEFT JOIN (SELECT account_id, sum(amount_cents) AS cents FROM ledger_entries
               WHERE business_day > :day GROUP BY account_id) later ON later.account_id = account.id
    WHERE account.kind = 'employee' AND account.opened_on <= :day
    ORDER BY account.id
    """
)
_CHANGE_ACCOUNTS = text(
    """
    UPDATE accounts SET balance_cents = balance_cents + change.cents, version = version + change.events
    FROM unnest(CAST(:ids AS uuid[]), CAST(:cents AS bigint[]), CAST(:events AS int[])) AS change (id, cents, events)
    WHERE accounts.id = change.id
    RETURNING accounts.id, balance_cents, version
    """
)
#: A posting that had the books before may have looked at the clock later.
_CLOSE = text(
    """
    UPDATE days SET status = 'closed', version = version + 1, closed_at = greatest(
        :now, (SELECT max(posted_at) FROM ledger_transactions WHERE business_day = :day))
    WHERE day = :day
    RETURNING fees_cents, rewards_cents, closed_at, version
    """
)
_PAYOUTS = text(
    "SELECT count(*) AS number, coalesce(sum(amount_cents), 0)::bigint AS cents FROM payouts WHERE day = :day"
)
_BEGIN_DAY = text("INSERT INTO days (day) VALUES (:day) ON CONFLICT DO NOTHING")


@dataclass(frozen=True)
class _Balance:
    """An account at the end of the day."""

    account_id: UUID
    user_id: UUID
    #: What it has now: the same, unless later days have begun already.
    current_cents: int
    cents: int


@dataclass(frozen=True)
class _Payment:
    """A payout to be made."""

    balance: _Balance
    transaction: Transaction
    transaction_id: UUID
    payout_id: UUID

    @property
    def amount_cents(self) -> int:
        return self.transaction.other.amount_cents

    @property
    def balance_after_cents(self) -> int:
        return self.balance.current_cents - self.amount_cents


def close_next_day(session: Session, books: Books, *, up_to: date) -> date | None:
    """Close the first open day if it is not after `up_to`; return it, or None when there is nothing left to close.

    Today may be closed early: what is posted afterwards belongs to tomorrow. Raises FutureDay. Called in a
    transaction for each day, so that what is closed stays closed if a later day fails.
    """
    if up_to > books.today:
        raise FutureDay
    if books.first_open_day > up_to:
        return None
    _close(session, books, books.first_open_day)
    return books.first_open_day


def close_days_before(session: Session, books: Books) -> Books:
    """Close every day that is over, in order, in this very transaction; return the books as they are then."""
    for day in business_day.days(books.first_open_day, business_day.last_day_over(books.today)):
        _close(session, books, day)
    return open_books(session, now=books.now)


def _close(session: Session, books: Books, day: date) -> None:
    payments: list[_Payment] = []
    carried: list[_Balance] = []
    below_zero = 0
    for row in session.execute(_BALANCES, {"day": day}):
        balance = _Balance(row.id, row.user_id, row.balance_cents, row.day_balance_cents)
        below_zero += balance.cents < 0
        amount_cents = amount_to_pay(balance.cents)
        if amount_cents > 0:
            payments.append(_Payment(balance, ledger.payout(amount_cents), uuid4(), uuid4()))
        elif row.status == OPEN or balance.cents < 0:
            carried.append(balance)
    _pay(session, books, day, payments)
    _carry(session, books, day, carried)
    paid = session.execute(_PAYOUTS, {"day": day}).one()  # those to people who were blocked in the day are among them
    closed = session.execute(_CLOSE, {"day": day, "now": books.now}).one()
    session.execute(_BEGIN_DAY, {"day": day + timedelta(days=1)})
    publish(
        session,
        events.day_closed(
            day,
            sequence=closed.version,
            fees_cents=closed.fees_cents,
            rewards_cents=closed.rewards_cents,
            payouts_count=paid.number,
            payouts_cents=paid.cents,
            negative_accounts=below_zero,
            closed_at=closed.closed_at,
        ),
    )
    shut_books(session)


def _pay(session: Session, books: Books, day: date, payments: Sequence[_Payment]) -> None:
    if not payments:
        return
    session.execute(insert(LedgerTransaction), [_transaction_row(payment, books, day) for payment in payments])
    session.execute(insert(LedgerEntry), [row for payment in payments for row in _entry_rows(payment, day)])
    session.execute(insert(Payout), [_payout_row(payment, books, day) for payment in payments])
    versions = _change_accounts(
        session, {payment.balance.account_id: -payment.amount_cents for payment in payments}, events_each=3
    )
    for payment in payments:
        _publish_payout(session, books, day, payment, versions[payment.balance.account_id])


def _carry(session: Session, books: Books, day: date, carried: Sequence[_Balance]) -> None:
    if not carried:
        return
    versions = _change_accounts(session, {balance.account_id: 0 for balance in carried}, events_each=1)
    for balance in carried:
        event = events.balance_carried(
            balance.account_id,
            balance.user_id,
            sequence=versions[balance.account_id],
            day=day,
            balance_cents=balance.cents,
            carried_at=books.now,
        )
        publish(session, event)


def _change_accounts(session: Session, changes: dict[UUID, int], *, events_each: int) -> dict[UUID, int]:
    """Change the balances by so much and make room for the events; return the new versions."""
    rows = session.execute(
        _CHANGE_ACCOUNTS,
        {
            "ids": [str(account_id) for account_id in changes],
            "cents": list(changes.values()),
            "events": [events_each] * len(changes),
        },
    )
    return {row.id: row.version for row in rows}


def _transaction_row(payment: _Payment, books: Books, day: date) -> dict[str, object]:
    return {
        "id": payment.transaction_id,
        "kind": payment.transaction.kind.value,
        "business_day": day,
        "posted_at": books.now,
    }


def _entry_rows(payment: _Payment, day: date) -> tuple[dict[str, object], dict[str, object]]:
    common = {"transaction_id": payment.transaction_id, "business_day": day}
    return (
        {
            **common,
            "account_id": payment.balance.account_id,
            "amount_cents": payment.transaction.employee.amount_cents,
            "balance_after_cents": payment.balance_after_cents,
        },
        {
            **common,
            "account_id": BANK_ACCOUNT,
            "amount_cents": payment.transaction.other.amount_cents,
            "balance_after_cents": None,
        },
    )


def _payout_row(payment: _Payment, books: Books, day: date) -> dict[str, object]:
    return {
        "id": payment.payout_id,
        "account_id": payment.balance.account_id,
        "day": day,
        "block_sequence": 0,
        "amount_cents": payment.amount_cents,
        "transaction_id": payment.transaction_id,
        "made_at": books.now,
        "letter": PENDING,
        "attempts": 0,
        "next_attempt_at": books.now,
    }


def _publish_payout(session: Session, books: Books, day: date, payment: _Payment, version: int) -> None:
    account_id, user_id = payment.balance.account_id, payment.balance.user_id
    made = events.payout_made(
        account_id,
        user_id,
        sequence=version - 2,
        payout_id=payment.payout_id,
        day=day,
        amount_cents=payment.amount_cents,
        made_at=books.now,
    )
    publish(session, made)
    movement = events.transaction_posted(
        account_id,
        user_id,
        sequence=version - 1,
        transaction_id=payment.transaction_id,
        kind=payment.transaction.kind.value,
        task_id=None,
        amount_cents=payment.transaction.employee.amount_cents,
        balance_after_cents=payment.balance_after_cents,
        business_day=day,
        posted_at=books.now,
        cause_event_id=None,
    )
    publish(session, movement)
    balance = events.balance_changed(
        account_id,
        user_id,
        sequence=version,
        balance_cents=payment.balance_after_cents,
        business_day=day,
        changed_at=books.now,
    )
    publish(session, balance)
