"""What becomes of an account when its owner is blocked and let in again."""

from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books
from billing_service.commands.closing import close_days_before
from billing_service.commands.opening import open_accounts_at_first_sight
from billing_service.commands.payouts import PAYOUT_EVENTS, publish_payout
from billing_service.commands.posting import Movement, post
from billing_service.domain import ledger
from billing_service.domain.closing import amount_to_pay
from billing_service.errors import TooManyDays
from billing_service.models import CLOSED, OPEN, Account, Payout
from messaging import Event, publish


def follow_user(session: Session, books: Books, user_id: UUID, *, blocked: bool, sequence: int, cause: Event) -> None:
    """Let the account be as its owner is: paid out and closed while they are blocked, open otherwise.

    `sequence` is that of the event which told so, and `books` are open. A blocked person's debt stays in the books;
    what is posted to a closed account afterwards, by an event that was under way, is settled with the day.
    """
    open_accounts_at_first_sight(session, books, {user_id: cause})
    status = session.scalar(select(Account.status).where(Account.user_id == user_id))
    if blocked and status == OPEN:
        _settle(session, books, user_id, sequence, cause)
        account_id, version = _set_status(session, user_id, CLOSED)
        publish(session, events.account_closed(account_id, user_id, sequence=version, closed_at=books.now))
    elif not blocked and status == CLOSED:
        account_id, version = _set_status(session, user_id, OPEN)
        publish(session, events.account_opened(account_id, user_id, sequence=version, opened_at=books.now))


def _settle(session: Session, books: Books, user_id: UUID, sequence: int, cause: Event) -> None:
    """Pay the account out now, or with the days that are over when these wait to be confirmed."""
    try:
        # The payout takes the whole balance, so days that are over have had theirs before.
        books = close_days_before(session, books)
    except TooManyDays:
        return
    _pay_out(session, books, user_id, sequence, cause)


def _pay_out(session: Session, books: Books, user_id: UUID, sequence: int, cause: Event) -> None:
    balance_cents = session.scalar(select(Account.balance_cents).where(Account.user_id == user_id)) or 0
    amount_cents = amount_to_pay(balance_cents)
    if amount_cents == 0:
        return
    movement = Movement(
        transaction=ledger.payout(amount_cents), user_id=user_id, cause=cause, events_after=PAYOUT_EVENTS
    )
    [posted] = post(session, books, [movement])
    payout = Payout(
        id=uuid4(),
        account_id=posted.account_id,
        day=books.day,
        block_sequence=sequence,
        amount_cents=amount_cents,
        transaction_id=movement.id,
        made_at=books.now,
        next_attempt_at=books.now,
    )
    session.add(payout)
    publish_payout(session, books, posted, payout.id)


def _set_status(session: Session, user_id: UUID, status: str) -> tuple[UUID, int]:
    changed = session.execute(
        update(Account)
        .where(Account.user_id == user_id)
        .values(status=status, version=Account.version + 1)
        .returning(Account.id, Account.version),
        execution_options={"synchronize_session": False},
    ).one()
    return changed.id, changed.version
