"""Payouts and the letters about them."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from billing_service.commands.letters import letter_about
from billing_service.errors import PayoutNotFound
from billing_service.mail import Letter
from billing_service.models import PENDING, SENDING, Account, Payout, User
from chassis.business_clock import BUSINESS_NOW
from chassis.paging import Order, Page, PageRequest, fetch_page

#: Money that was paid stays paid, whatever becomes of the letter.
MADE = "made"


@dataclass(frozen=True)
class PayoutView:
    """A payout and how far the letter about it has come."""

    id: UUID
    user_id: UUID
    name: str | None
    day: date
    amount_cents: int
    made_at: datetime
    #: `pending`, `sent`, `failed` or `unknown`.
    letter: str
    attempts: int
    sent_at: datetime | None
    last_error: str | None
    status: str = MADE


def payouts(
    session: Session, *, user_id: UUID | None = None, day: date | None = None, page: PageRequest
) -> Page[PayoutView]:
    """Return payouts, the latest days first: of one person or all, of one day or all."""
    wanted = _payouts()
    if user_id is not None:
        wanted = wanted.where(Account.user_id == user_id)
    if day is not None:
        wanted = wanted.where(Payout.day == day)
    return fetch_page(session, wanted, Order((Payout.day, Payout.id), descending=True), page).map(
        lambda row: _view(*row)
    )


def payout_letter(session: Session, payout_id: UUID) -> tuple[PayoutView, Letter | None]:
    """Return a payout and its letter, None while nobody knows to whom to write. Raises PayoutNotFound."""
    row = session.execute(_payouts().where(Payout.id == payout_id)).one_or_none()
    if row is None:
        raise PayoutNotFound
    payout, _, user = row
    return _view(*row), None if user is None else letter_about(payout, user)


def letter_is_due(session: Session) -> bool:
    """Tell whether a letter is to be sent now."""
    due = select(Payout.id).where(Payout.letter == PENDING, Payout.next_attempt_at <= BUSINESS_NOW)
    return session.scalar(due.limit(1)) is not None


def _payouts() -> Select[Payout, Account, User]:
    return (
        select(Payout, Account, User)
        .join(Account, Account.id == Payout.account_id)
        .outerjoin(User, User.user_id == Account.user_id)
    )


def _view(payout: Payout, account: Account, user: User | None) -> PayoutView:
    if account.user_id is None:
        raise ValueError("only employees are paid out")
    return PayoutView(
        id=payout.id,
        user_id=account.user_id,
        name=None if user is None else user.name,
        day=payout.day,
        amount_cents=payout.amount_cents,
        made_at=payout.made_at,
        letter=PENDING if payout.letter == SENDING else payout.letter,
        attempts=payout.attempts,
        sent_at=payout.sent_at,
        last_error=payout.last_error,
    )
