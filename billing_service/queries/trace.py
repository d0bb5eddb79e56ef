"""What follows from events of billing, for the timeline of a request or a job: movements, and letters about payouts."""

from collections.abc import Iterator, Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_service.models import LedgerEntry, LedgerTransaction, Payout
from chassis.timeline.steps import Step, What, milliseconds
from messaging.trail import MadeEvent

_SERVICE = "billing"


def steps_of_events(session: Session, made: Sequence[MadeEvent]) -> Iterator[Step]:
    """Yield the movements and the letters that these events tell of."""
    posted = _ids(made, "billing.transaction_posted.", "transaction_id")
    paid = _ids(made, "billing.payout_made.", "payout_id")
    movements = (
        select(LedgerTransaction.id, LedgerTransaction.kind, LedgerTransaction.posted_at, LedgerEntry.amount_cents)
        .add_columns(LedgerTransaction.cause_event_id)
        .join(LedgerEntry, LedgerEntry.transaction_id == LedgerTransaction.id)
        .where(LedgerTransaction.id.in_(posted), LedgerEntry.balance_after_cents.is_not(None))
    )
    for row in session.execute(movements):
        yield Step(
            at=row.posted_at,
            service=_SERVICE,
            what=What.LEDGER,
            id=row.id,
            state=row.kind,
            cause_id=row.cause_event_id,
            amount_cents=row.amount_cents,
        )
    for payout in session.scalars(select(Payout).where(Payout.id.in_(paid))):
        yield Step(
            at=payout.sent_at or payout.made_at,
            service=_SERVICE,
            what=What.LETTER,
            id=payout.id,
            state=payout.letter,
            took_ms=milliseconds(payout.made_at, payout.sent_at),
            amount_cents=payout.amount_cents,
        )


def _ids(made: Sequence[MadeEvent], type: str, name: str) -> list[UUID]:
    return [UUID(event.data[name]) for event in made if event.type.startswith(type)]
