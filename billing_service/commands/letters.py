"""Letters about payouts: sent after the payout was committed, again when it fails, until all attempts are used up."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.domain.retries import wait_after
from billing_service.mail import Letter, NotDelivered, Post, PostIsAway
from billing_service.models import FAILED, PENDING, SENT, Account, Payout, User
from messaging import publish

_REASON_LENGTH = 1000


def send_next_letter(session: Session, post: Post, *, now: datetime) -> bool:
    """Send the letter that has waited longest, if one is due; return whether to go on with the next.

    The payout's row stays locked while the letter is on its way, so no two senders send it. A crash after the post
    took it and before the commit sends it again, under the same Message-ID. Letters to people whom billing has
    not heard of yet wait until it has.
    """
    found = session.execute(
        select(Payout, User)
        .join(Account, Account.id == Payout.account_id)
        .join(User, User.user_id == Account.user_id)
        .where(Payout.letter == PENDING, Payout.next_attempt_at <= now)
        .order_by(Payout.next_attempt_at, Payout.id)
        .limit(1)
        .with_for_update(of=Payout, skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        return False
    payout, user = found
    payout.attempts += 1
    try:
        post.deliver(letter_about(payout, user))
    except NotDelivered as error:
        _try_later(session, payout, user, str(error)[:_REASON_LENGTH] or type(error).__name__, now)
        return not isinstance(error, PostIsAway)
    payout.letter, payout.sent_at, payout.sent_to, payout.last_error = SENT, now, user.email, None
    return True


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


def _try_later(session: Session, payout: Payout, user: User, reason: str, now: datetime) -> None:
    payout.last_error = reason
    wait = wait_after(payout.attempts)
    if wait is not None:
        payout.next_attempt_at = now + wait
        return
    payout.letter = FAILED
    version = session.scalars(
        update(Account)
        .where(Account.id == payout.account_id)
        .values(version=Account.version + 1)
        .returning(Account.version),
        execution_options={"synchronize_session": False},
    ).one()
    failed = events.payout_failed(
        payout.account_id,
        user.user_id,
        sequence=version,
        payout_id=payout.id,
        day=payout.day,
        amount_cents=payout.amount_cents,
        reason=reason,
        failed_at=now,
    )
    publish(session, failed)
