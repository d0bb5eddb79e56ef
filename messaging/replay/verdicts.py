"""What was decided about events that died: it stands when they are replayed."""

from collections.abc import Mapping

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from messaging.dead_letters import State
from messaging.envelope import Event
from messaging.tables import DeadLetter
from messaging.transport import Message

#: By the event's id: the envelope that was sent in its place, or None if it is dead or was given up.
Verdicts = Mapping[str, bytes | None]


def read_verdicts(session: Session) -> Verdicts:
    """Return what was decided, as far as it keeps an event from being handled as it is."""
    rows = session.execute(
        select(DeadLetter.id, DeadLetter.state, DeadLetter.replacement).where(
            or_(DeadLetter.state != State.REPLAYED, DeadLetter.replacement.is_not(None))
        )
    )
    return {str(event_id): body if state == State.REPLAYED else None for event_id, state, body in rows}


def after_verdict(message: Message, verdicts: Verdicts) -> Message | None:
    """Return the message, or the one that was sent in its place; None if it is not to be handled.

    Nor is one sent whose producer would be another one: a producer sends its own events only.
    """
    while message.message_id in verdicts:
        body = verdicts[message.message_id]
        if body is None:
            return None
        event = Event.from_bytes(body)
        if event.producer != message.app_id:
            return None
        message = message._replace(body=body, message_id=str(event.id), type=event.type)
    return message
