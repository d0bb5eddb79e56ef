"""Accounts with what the day brought so far."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Select, cast, func, select, true
from sqlalchemy.orm import Session

from billing_service.domain.ledger import Kind
from billing_service.errors import AccountNotFound
from billing_service.models import EMPLOYEE, Account, LedgerEntry, LedgerTransaction, User
from chassis.paging import Order, Page, PageRequest, fetch_page


@dataclass(frozen=True)
class Today:
    """What the business day brought an account so far."""

    fees_cents: int
    rewards_cents: int


@dataclass(frozen=True)
class AccountView:
    """An employee's account."""

    user_id: UUID
    #: None until auth has told who it is.
    name: str | None
    role: str | None
    status: str
    balance_cents: int
    today: Today


def account(session: Session, user_id: UUID, *, day: date) -> AccountView:
    """Return somebody's account, with what this day brought it. Raises AccountNotFound."""
    row = session.execute(_accounts(day).where(Account.user_id == user_id)).one_or_none()
    if row is None:
        raise AccountNotFound
    return _view(*row)


def accounts(session: Session, *, day: date, page: PageRequest) -> Page[AccountView]:
    """Return everybody's accounts; whose was opened first stands first. A name can change while pages are read."""
    found = fetch_page(session, _accounts(day), Order((Account.opened_on, Account.id)), page)
    return Page([_view(*row) for row in found.items], found.next_cursor)


def _accounts(day: date) -> Select[Any]:
    """An account a row; the day's sums are taken for these rows alone, from the index by account and day."""
    fees = func.sum(-LedgerEntry.amount_cents).filter(LedgerTransaction.kind == Kind.FEE.value)
    rewards = func.sum(LedgerEntry.amount_cents).filter(LedgerTransaction.kind == Kind.REWARD.value)
    today = (
        select(
            cast(func.coalesce(fees, 0), BigInteger).label("fees"),
            cast(func.coalesce(rewards, 0), BigInteger).label("rewards"),
        )
        .select_from(LedgerEntry)
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerEntry.account_id == Account.id, LedgerEntry.business_day == day)
        .correlate(Account)
        .lateral("today")
    )
    return (
        select(
            Account.user_id,
            User.name,
            User.role,
            Account.status,
            Account.balance_cents,
            today.c.fees,
            today.c.rewards,
        )
        .select_from(Account)
        .outerjoin(User, User.user_id == Account.user_id)
        .join(today, true())
        .where(Account.kind == EMPLOYEE)
    )


def _view(
    user_id: UUID, name: str | None, role: str | None, status: str, balance_cents: int, fees: int, rewards: int
) -> AccountView:
    return AccountView(user_id, name, role, status, balance_cents, Today(fees, rewards))
