"""What follows from events of billing, for the timeline of a request or a job: movements, and letters about payouts."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_service.models import LedgerEntry, LedgerTransaction, Payout
from chassis.clock_offset import read_offset
from chassis.timeline.steps import Step, What, milliseconds
from messaging.trail import MadeEvent

_SERVICE = "billing"


def steps_of_events(session: Session, made: Sequence[MadeEvent]) -> Iterator[Step]:
    """Yield the movements and the letters that these events tell of.

    They have the moments of their events, which are of the same transaction: postings and letters go by the clock of
    the business, and that of a demonstration is ahead, and moves on. It cannot say how long a letter took.
    """
    is_demonstration = read_offset(session) > 0
    posted = _moments(made, "billing.transaction_posted.", "transaction_id")
    paid = _moments(made, "billing.payout_made.", "payout_id")
    movements = (
        select(LedgerTransaction.id, LedgerTransaction.kind, LedgerTransaction.cause_event_id, LedgerEntry.amount_cents)
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .where(LedgerTransaction.id.in_(posted), LedgerEntry.balance_after_cents.is_not(None))
    )
    for row in session.execute(movements):
        yield Step(
            at=posted[row.id],
            service=_SERVICE,
            what=What.LEDGER,
            id=row.id,
            state=row.kind,
            cause_id=row.cause_event_id,
            amount_cents=row.amount_cents,
        )
    for payout in session.scalars(select(Payout).where(Payout.id.in_(paid))):
        sent_at = None if is_demonstration else payout.sent_at
        took = None if sent_at is None else max(sent_at - payout.made_at, timedelta())
        yield Step(
            at=paid[payout.id] + (took or timedelta()),
            service=_SERVICE,
            what=What.LETTER,
            id=payout.id,
            state=payout.letter,
            took_ms=milliseconds(payout.made_at, sent_at),
            amount_cents=payout.amount_cents,
        )


def _moments(made: Sequence[MadeEvent], type: str, name: str) -> dict[UUID, datetime]:
    """Return when each thing was told of, by its id."""
    return {UUID(event.data[name]): event.made_at for event in made if event.type.startswith(type)}
