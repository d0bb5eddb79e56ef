"""What was decided about events that died: it stands when they are replayed."""

from collections.abc import Mapping
from hashlib import sha256

from sqlalchemy import LargeBinary, func, or_, select
from sqlalchemy.orm import Session

from messaging.envelope import CONTENT_TYPE, Event
from messaging.held.states import State
from messaging.tables import HeldMessage
from messaging.transport import Message

#: By the digest of the message's body: the envelope that was sent in its place, or None if it is dead or was given up.
#: Not by the event's id, which anybody can claim to hide the event from a rebuild.
Verdicts = Mapping[bytes, bytes | None]


def digest(body: bytes) -> bytes:
    """Return what stands for the body."""
    return sha256(body).digest()


def read_verdicts(session: Session) -> Verdicts:
    """Return what was decided, as far as it keeps an event from being handled as it is."""
    rows = session.execute(
        select(func.sha256(HeldMessage.body, type_=LargeBinary), HeldMessage.state, HeldMessage.replacement).where(
            or_(HeldMessage.state != State.REPLAYED, HeldMessage.replacement.is_not(None)),
            HeldMessage.content_type == CONTENT_TYPE,
            HeldMessage.aggregate.is_not(None),  # else somebody else may have sent it, to hide the event
        )
    )
    return {bytes(body): replacement if state == State.REPLAYED else None for body, state, replacement in rows}


def after_verdict(message: Message, verdicts: Verdicts) -> Message | None:
    """Return the message, or the one that was sent in its place; None if it is not to be handled.

    Nor is one sent whose producer would be another one: a producer sends its own events only.
    """
    while (of_message := digest(message.body)) in verdicts:
        body = verdicts[of_message]
        if body is None:
            return None
        event = Event.from_bytes(body)
        if event.producer != message.app_id:
            return None
        message = message._replace(body=body, message_id=str(event.id), type=event.type)
    return message
