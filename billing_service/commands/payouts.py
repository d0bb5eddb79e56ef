"""What is told of a payout besides the movement that it is."""

from uuid import UUID

from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books
from billing_service.commands.posting import Posted
from messaging import publish

#: Events about the account that follow the movement of a payout.
PAYOUT_EVENTS = 1


def publish_payout(session: Session, books: Books, posted: Posted, payout_id: UUID) -> None:
    """Publish a payout whose movement was posted just now, with room for PAYOUT_EVENTS."""
    movement = posted.movement
    with movement.context():
        made = events.payout_made(
            posted.account_id,
            movement.user_id,
            sequence=posted.balance_sequence + 1,
            payout_id=payout_id,
            day=books.day,
            amount_cents=-movement.transaction.employee.amount_cents,
            made_at=books.now,
        )
        publish(session, made)
