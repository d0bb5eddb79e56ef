"""Accounts with what the day brought so far."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Select, cast, func, select
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


_NOTHING = Today(0, 0)


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
    row = session.execute(_accounts().where(Account.user_id == user_id)).one_or_none()
    if row is None:
        raise AccountNotFound
    return _view(row, _today(session, [row.id], day))


def accounts(session: Session, *, day: date, page: PageRequest) -> Page[AccountView]:
    """Return everybody's accounts; whose was opened first stands first. A name can change while pages are read."""
    found = fetch_page(session, _accounts(), Order((Account.opened_on, Account.id)), page)
    today = _today(session, [account_id for account_id, *_ in found.items], day)
    return found.map(lambda row: _view(row, today))


def _accounts() -> Select[*tuple[Any, ...]]:
    return (
        select(Account.id, Account.user_id, User.name, User.role, Account.status, Account.balance_cents)
        .outerjoin(User, User.user_id == Account.user_id)
        .where(Account.kind == EMPLOYEE)
    )


def _today(session: Session, account_ids: Collection[UUID], day: date) -> dict[UUID, Today]:
    """Sum up the day for the accounts that are shown, and for no others."""
    fees = func.sum(-LedgerEntry.amount_cents).filter(LedgerTransaction.kind == Kind.FEE.value)
    rewards = func.sum(LedgerEntry.amount_cents).filter(LedgerTransaction.kind == Kind.REWARD.value)
    rows = session.execute(
        select(
            LedgerEntry.account_id,
            cast(func.coalesce(fees, 0), BigInteger),
            cast(func.coalesce(rewards, 0), BigInteger),
        )
        .join(LedgerTransaction, LedgerTransaction.id == LedgerEntry.transaction_id)
        .where(LedgerEntry.account_id.in_(account_ids), LedgerEntry.business_day == day)
        .group_by(LedgerEntry.account_id)
    )
    return {account_id: Today(fees_cents, rewards_cents) for account_id, fees_cents, rewards_cents in rows}


def _view(row: Sequence[Any], today: Mapping[UUID, Today]) -> AccountView:
    account_id, user_id, name, role, status, balance_cents = row
    return AccountView(user_id, name, role, status, balance_cents, today.get(account_id, _NOTHING))
