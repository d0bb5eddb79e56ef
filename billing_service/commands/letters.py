"""Letters about payouts: sent after the payout was committed, again when it fails, until all attempts are used up.

Nothing is sent inside a transaction. A sender claims a letter for a while and commits, sends it, and commits what came
of it. A claim that ran out tells that the sender died with the letter: whether it was taken, nobody knows. A letter is
due by the business clock; a claim runs out by real time, whatever is done to the clock of a demonstration.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.domain.retries import wait_after
from billing_service.errors import PayoutNotFound
from billing_service.mail import DeliveryUnknown, Letter, MailError, PostIsAway
from billing_service.models import FAILED, PENDING, SENDING, SENT, UNKNOWN, Account, Payout, User
from chassis.business_clock import BUSINESS_NOW, business_now
from messaging import publish

_UNTIL_KNOWN = timedelta(minutes=1)
_REASON_LENGTH = 1000
_SENDER_DIED = "The sender ended while it had the letter."


@dataclass(frozen=True)
class Claim:
    """A letter that belongs to one sender for a while."""

    letter: Letter
    #: Names the claim: another one of the same letter ends at another moment.
    until: datetime


def claim_letter(session: Session, lease: timedelta) -> Claim | None:
    """Claim the letter that has waited longest, for so long; None when no letter is due.

    Letters to people whom billing has not heard of yet wait until it has.
    """
    now = business_now(session)
    while found := _next_due(session, now):
        payout, user = found
        if user is None:
            payout.next_attempt_at = now + _UNTIL_KNOWN
            session.flush()
            continue
        payout.letter, payout.next_attempt_at = SENDING, session.scalars(select(func.now())).one() + lease
        return Claim(letter_about(payout, user), payout.next_attempt_at)
    return None


def finish_letter(session: Session, claim: Claim, failure: MailError | None = None) -> None:
    """Note what came of a claimed letter; nothing if the claim ran out and the letter was decided about anew."""
    payout = session.scalars(
        select(Payout)
        .where(
            Payout.id == claim.letter.payout_id,
            Payout.letter.in_([SENDING, UNKNOWN]),
            Payout.next_attempt_at == claim.until,
        )
        .with_for_update()
    ).one_or_none()
    if payout is None:
        return
    now = business_now(session)
    payout.last_error = None if failure is None else str(failure)[:_REASON_LENGTH] or type(failure).__name__
    if isinstance(failure, PostIsAway):
        payout.letter, payout.next_attempt_at = PENDING, now
        return
    payout.attempts += 1
    if failure is None:
        payout.letter, payout.sent_at, payout.sent_to = SENT, now, claim.letter.address
    elif isinstance(failure, DeliveryUnknown):
        payout.letter = UNKNOWN
    else:
        _try_later(session, payout, now)


def recover_letters(session: Session, *, repeatable: bool) -> None:
    """Put an end to claims that ran out. `repeatable`: such a letter can be sent once more without harm."""
    session.execute(
        update(Payout)
        .where(Payout.letter == SENDING, Payout.next_attempt_at <= func.now())
        .values(
            letter=PENDING if repeatable else UNKNOWN,
            last_error=_SENDER_DIED,
            **({"next_attempt_at": BUSINESS_NOW} if repeatable else {}),
        ),
        execution_options={"synchronize_session": False},
    )


def send_letter_again(session: Session, payout_id: UUID) -> None:
    """Have a letter sent once more, whatever became of it so far, to the person's present address.

    One that a sender has at this moment is left to it. Raises PayoutNotFound.
    """
    payout = session.get(Payout, payout_id, with_for_update=True)
    if payout is None:
        raise PayoutNotFound
    if payout.letter == SENDING:
        return
    payout.letter, payout.attempts, payout.next_attempt_at = PENDING, 0, business_now(session)
    payout.sent_at = payout.sent_to = payout.last_error = None


def send_letters_again(session: Session, letter: str) -> int:
    """Have all letters sent once more that are `failed` or `unknown`; return their number."""
    sent_again = session.execute(
        update(Payout)
        .where(Payout.letter == letter)
        .values(letter=PENDING, attempts=0, next_attempt_at=BUSINESS_NOW, last_error=None)
        .returning(Payout.id),
        execution_options={"synchronize_session": False},
    )
    return len(sent_again.all())


def letter_about(payout: Payout, user: User) -> Letter:
    """Return what the letter says; after it was sent, to whom it went."""
    return Letter(
        payout_id=payout.id,
        day=payout.day,
        amount_cents=payout.amount_cents,
        name=user.name,
        address=payout.sent_to or user.email,
        made_at=payout.made_at,
    )


def _next_due(session: Session, now: datetime) -> tuple[Payout, User | None] | None:
    return session.execute(
        select(Payout, User)
        .join(Account, Account.id == Payout.account_id)
        .outerjoin(User, User.user_id == Account.user_id)
        .where(Payout.letter == PENDING, Payout.next_attempt_at <= now)
        .order_by(Payout.next_attempt_at, Payout.id)
        .limit(1)
        .with_for_update(of=Payout, skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()


def _try_later(session: Session, payout: Payout, now: datetime) -> None:
    wait = wait_after(payout.attempts)
    if wait is not None:
        payout.letter, payout.next_attempt_at = PENDING, now + wait
        return
    payout.letter = FAILED
    account = session.execute(
        update(Account)
        .where(Account.id == payout.account_id)
        .values(version=Account.version + 1)
        .returning(Account.user_id, Account.version),
        execution_options={"synchronize_session": False},
    ).one()
    failed = events.payout_failed(
        payout.account_id,
        account.user_id,
        sequence=account.version,
        payout_id=payout.id,
        day=payout.day,
        amount_cents=payout.amount_cents,
        reason=payout.last_error or "",
        failed_at=now,
    )
    publish(session, failed)
