"""The end of a business day: everyone's balance of that day is paid out, or carried to the next.

A few statements for all accounts together, in one transaction: a day is closed as a whole or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books, open_books, shut_books
from billing_service.commands.payouts import PAYOUT_EVENTS, publish_payout
from billing_service.commands.posting import Movement, post
from billing_service.commands.statements import keep_statements
from billing_service.domain import business_day, ledger
from billing_service.domain.closing import amount_to_pay
from billing_service.errors import FutureDay, TooManyDays
from billing_service.models import OPEN
from messaging import publish

#: A balance of the day is the sum of the entries up to and including it, which is today's balance without later
#: entries: of those there are few or none, while the entries up to the day are all of history.
_BALANCES = text(
    """
    SELECT account.id, account.user_id, account.status,
           (account.balance_cents - coalesce(later.cents, 0))::bigint AS day_balance_cents
    FROM accounts account
    LEFT JOIN (SELECT account_id, sum(amount_cents) AS cents FROM ledger_entries
               WHERE business_day > :day GROUP BY account_id) later ON later.account_id = account.id
    WHERE account.kind = 'employee' AND account.opened_on <= :day
    ORDER BY account.id
    """
)
_NOTE_PAYOUTS = text(
    """
    INSERT INTO payouts
        (id, account_id, day, block_sequence, amount_cents, transaction_id, made_at, letter, attempts, next_attempt_at)
    SELECT id, account_id, CAST(:day AS date), 0, amount_cents, transaction_id, :now, 'pending', 0, :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:account_ids AS uuid[]), CAST(:cents AS bigint[]),
                CAST(:transaction_ids AS uuid[])) AS payout (id, account_id, amount_cents, transaction_id)
    """
)
_CARRY = text(
    """
    UPDATE accounts SET version = version + 1 WHERE id = ANY (CAST(:accounts AS uuid[])) RETURNING id, version
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
    cents: int


def close_next_day(
    session: Session, books: Books, *, up_to: date | None = None, confirmed_from: date | None = None
) -> date | None:
    """Close the first open day if it is not after `up_to`; return it, or None when there is nothing left to close.

    `up_to` is the latest day that is over unless it is given. Today may be closed early: what is posted afterwards
    belongs to tomorrow. `confirmed_from` is the first of the days that a person has confirmed, up to `up_to`.
    Raises FutureDay, and TooManyDays when so many need to be confirmed. Called in a transaction for each day, so that
    what is closed stays closed if a later day fails.
    """
    last = up_to or business_day.last_day_over(books.today)
    if last > books.today:
        raise FutureDay
    if books.first_open_day > last:
        return None
    _check_number(books, last, confirmed_from)
    _close(session, books, books.first_open_day)
    return books.first_open_day


def close_days_before(session: Session, books: Books) -> Books:
    """Close every day that is over, in order, in this very transaction; return the books as they are then.

    Raises TooManyDays.
    """
    last = business_day.last_day_over(books.today)
    _check_number(books, last)
    for day in business_day.days(books.first_open_day, last):
        _close(session, books, day)
    return open_books(session)


def _check_number(books: Books, last: date, confirmed_from: date | None = None) -> None:
    if not business_day.may_close(books.first_open_day, last, confirmed_from=confirmed_from):
        raise TooManyDays(books.first_open_day, last)


def _close(session: Session, books: Books, day: date) -> None:
    payouts: list[Movement] = []
    carried: list[_Balance] = []
    below_zero = 0
    for row in session.execute(_BALANCES, {"day": day}):
        balance = _Balance(row.id, row.user_id, row.day_balance_cents)
        below_zero += balance.cents < 0
        amount_cents = amount_to_pay(balance.cents)
        if amount_cents > 0:
            payout = ledger.payout(amount_cents)
            payouts.append(Movement(transaction=payout, user_id=row.user_id, events_after=PAYOUT_EVENTS))
        elif row.status == OPEN or balance.cents < 0:
            carried.append(balance)
    _pay(session, replace(books, day=day), payouts)
    _carry(session, books, day, carried)
    paid = session.execute(_PAYOUTS, {"day": day}).one()  # those to people who were blocked in the day are among them
    keep_statements(session, day)
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


def _pay(session: Session, books: Books, payouts: Sequence[Movement]) -> None:
    posted = post(session, books, payouts)
    if not posted:
        return
    payout_ids = [uuid4() for _ in posted]
    session.execute(
        _NOTE_PAYOUTS,
        {
            "day": books.day,
            "now": books.now,
            "ids": [str(payout_id) for payout_id in payout_ids],
            "account_ids": [str(one.account_id) for one in posted],
            "cents": [-one.movement.transaction.employee.amount_cents for one in posted],
            "transaction_ids": [str(one.movement.id) for one in posted],
        },
    )
    for one, payout_id in zip(posted, payout_ids, strict=True):
        publish_payout(session, books, one, payout_id)


def _carry(session: Session, books: Books, day: date, carried: Sequence[_Balance]) -> None:
    if not carried:
        return
    rows = session.execute(_CARRY, {"accounts": [str(balance.account_id) for balance in carried]})
    versions = {row.id: row.version for row in rows}
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
