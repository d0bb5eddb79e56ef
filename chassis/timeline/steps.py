"""What one service knows of a thread of causes, step by step."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy.orm import Session

from messaging.trail import HandledEvent, HeldEvent, MadeEvent, events_handled, events_held, events_made

#: Events of a service on one timeline, at most: closing a day can make thousands.
MAX_EVENTS = 100

PENDING = "pending"
PUBLISHED = "published"


class What(StrEnum):
    """The kinds of steps."""

    EVENT = "event"
    HANDLED = "handled"
    HELD = "held"
    LEDGER = "ledger"
    LETTER = "letter"


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that happened in a service."""

    at: datetime
    service: str
    what: What
    #: Of the event; of the movement, or of the payout that a letter is about.
    id: UUID
    #: Of the event; None where it is known to its producer alone.
    type: str | None = None
    #: Of an event `pending` or `published`; of a held one its state, of a movement its kind, of a letter its status.
    state: str | None = None
    #: An event: until the broker had it. Handled: until the commit, together with the events it was handled with.
    #: A letter: until it was sent.
    took_ms: int | None = None
    subject: str | None = None
    #: The event that caused it.
    cause_id: UUID | None = None
    amount_cents: int | None = None
    #: Why an event is held.
    detail: str | None = None


@dataclass(frozen=True)
class KnownSteps:
    """What a service knows."""

    items: Sequence[Step]
    #: Events of the thread that were made here and are not among the items.
    left_out: int


#: What else follows from events that a service has made, such as movements and letters.
FurtherSteps = Callable[[Session, Sequence[MadeEvent]], Iterable[Step]]


def no_further_steps(_session: Session, _made: Sequence[MadeEvent]) -> Iterable[Step]:
    """Return none."""
    return ()


def known_steps(
    session: Session,
    service: str,
    correlation_id: UUID,
    event_ids: Collection[UUID],
    further: FurtherSteps = no_further_steps,
    *,
    limit: int = MAX_EVENTS,
) -> KnownSteps:
    """Return what the database of this service knows of the thread.

    `event_ids`: events of others, of which it is said whether they were handled here.
    """
    made, total = events_made(session, correlation_id, limit=limit)
    wanted = {*event_ids, *(event.cause_id for event in made if event.cause_id)}
    steps = [
        *(_made(service, event) for event in made),
        *(_handled(service, event) for event in events_handled(session, wanted)),
        # An event that nothing set off has its own id as its correlation id.
        *(
            _held(service, event)
            for event in events_held(session, correlation_id, {*wanted, correlation_id}, limit=limit)
        ),
        *further(session, made),
    ]
    return KnownSteps(sorted(steps, key=lambda step: step.at), total - len(made))


def milliseconds(begin: datetime, end: datetime | None) -> int | None:
    """Return the whole milliseconds between; 0 where two clocks disagree about the order."""
    return None if end is None else max(0, round((end - begin).total_seconds() * 1000))


def causes_of(steps: Iterable[Step]) -> Iterator[UUID]:
    """Yield the ids of all events that these steps are about or were caused by."""
    for step in steps:
        if step.what in (What.EVENT, What.HANDLED, What.HELD):
            yield step.id
        if step.cause_id is not None:
            yield step.cause_id


def _made(service: str, event: MadeEvent) -> Step:
    return Step(
        at=event.made_at,
        service=service,
        what=What.EVENT,
        id=event.id,
        type=event.type,
        state=PUBLISHED if event.published_at else PENDING,
        took_ms=milliseconds(event.made_at, event.published_at),
        subject=event.subject,
        cause_id=event.cause_id,
    )


def _handled(service: str, event: HandledEvent) -> Step:
    return Step(
        at=event.began_at,
        service=service,
        what=What.HANDLED,
        id=event.id,
        took_ms=milliseconds(event.began_at, event.committed_at),
    )


def _held(service: str, event: HeldEvent) -> Step:
    return Step(
        at=event.at,
        service=service,
        what=What.HELD,
        id=event.id,
        type=event.type,
        state=event.state,
        detail=event.reason or None,
    )
