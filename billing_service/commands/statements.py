"""Statements: what a day did to each account, kept for good once the day is closed."""

from datetime import date
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Select, cast, func, insert, literal, select
from sqlalchemy.orm import Session

from billing_service.domain.ledger import Kind
from billing_service.models import EMPLOYEE, Account, LedgerEntry, LedgerTransaction, Statement


def statements_so_far(day: date) -> Select[*tuple[Any, ...]]:
    """Return the statements of a day as they follow from the ledger, one row for each account that was there.

    An account had before the day what it has now without the entries since. Of a day that is open, or closes just now,
    these are few; of an old one they are all of later history, so that a closed day's statements are kept.
    """
    moved = (
        select(
            LedgerEntry.account_id,
            func.sum(LedgerEntry.amount_cents).label("since"),
            _moved(day, Kind.FEE, -1).label("fees"),
            _moved(day, Kind.REWARD, 1).label("rewards"),
            _moved(day, Kind.CORRECTION, 1).label("corrections"),
            _moved(day, Kind.PAYOUT, -1).label("payout"),
        )
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerEntry.business_day >= day, LedgerTransaction.business_day >= day)
        .group_by(LedgerEntry.account_id)
        .subquery()
    )
    return (
        select(
            literal(day).label("day"),
            Account.id.label("account_id"),
            (Account.balance_cents - _cents(moved.c.since)).label("opening_cents"),
            _cents(moved.c.fees).label("fees_cents"),
            _cents(moved.c.rewards).label("rewards_cents"),
            _cents(moved.c.corrections).label("corrections_cents"),
            _cents(moved.c.payout).label("payout_cents"),
        )
        .outerjoin(moved, moved.c.account_id == Account.id)
        .where(Account.kind == EMPLOYEE, Account.opened_on <= day)
    )


def keep_statements(session: Session, day: date) -> None:
    """Keep the statements of a day that closes: all of its payouts are posted."""
    lines = statements_so_far(day)
    session.execute(insert(Statement).from_select(lines.selected_columns.keys(), lines))


def _moved(day: date, kind: Kind, sign: int) -> ColumnElement[Any]:
    return func.sum(sign * LedgerEntry.amount_cents).filter(
        LedgerEntry.business_day == day, LedgerTransaction.kind == kind.value
    )


def _cents(sum_: ColumnElement[Any]) -> ColumnElement[int]:
    return cast(func.coalesce(sum_, 0), BigInteger)
