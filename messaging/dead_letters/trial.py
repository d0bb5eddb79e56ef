"""What a replay would do: the handler is called in a transaction that is rolled back, whatever comes of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from messaging import inbox
from messaging.dead_letters.rules import revise
from messaging.dispatch import HandlerTable, dispatch
from messaging.envelope import Event
from messaging.errors import LetterUnknown, PermanentError, UnknownType
from messaging.held.rows import delivery_of
from messaging.observer import Observer
from messaging.outbox import unwritten_events
from messaging.received import read
from messaging.schemas import SchemaRegistry
from messaging.tables import HeldMessage
from messaging.unbroken import guard_transactions

#: A trial gives way: others have work to do.
_LIMITS = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10s'"


class Verdict(StrEnum):
    """What would become of the event."""

    HANDLED = "handled"
    #: It had its effect before: a replay changes nothing.
    DUPLICATE = "duplicate"
    #: It would be dead again at once.
    DEAD_AGAIN = "dead_again"
    #: The handler fails, and would be tried again.
    FAILS = "fails"


@dataclass(frozen=True)
class Trial:
    """How it went."""

    verdict: Verdict
    #: What is wrong, for a person; empty if nothing is.
    detail: str = ""
    #: The types of the events that the handler would publish, in their order.
    publishes: tuple[str, ...] = ()


def try_out(
    sessions: sessionmaker[Session],
    letter_id: UUID,
    changes: Mapping[str, Any] | None = None,
    *,
    service: str,
    handlers: HandlerTable,
    registry: SchemaRegistry,
) -> Trial:
    """Handle the letter, or with `changes` the event that would be sent in its place, and undo it.

    Raises LetterUnknown. Earlier events of its aggregate that it would have to wait for are not waited for.
    """
    guard_transactions(sessions)
    with sessions() as session:  # which is closed without a commit
        session.execute(text(_LIMITS))
        letter = session.get(HeldMessage, letter_id)
        if letter is None:
            raise LetterUnknown(f"there is no dead letter {letter_id}")
        try:
            event = _event(letter, changes, service, handlers, registry)
            if inbox.was_handled(session, event.id):
                return Trial(Verdict.DUPLICATE)
            dispatch(handlers, session, [event], Observer())
            session.flush()
            session.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        except PermanentError as error:
            return Trial(Verdict.DEAD_AGAIN, str(error))
        except Exception as error:  # noqa: BLE001 (whatever the handler raises is what is asked for)
            return Trial(Verdict.FAILS, f"{type(error).__name__}: {error}")
        return Trial(Verdict.HANDLED, publishes=tuple(unwritten_events(session)))


def _event(
    letter: HeldMessage,
    changes: Mapping[str, Any] | None,
    service: str,
    handlers: HandlerTable,
    registry: SchemaRegistry,
) -> Event:
    if not changes:
        delivery = delivery_of(letter, service)
        return read(delivery, service=service, subscribed=handlers, registry=registry).event
    event = revise(letter.id, letter.body, changes, letter.properties.get("correlation_id") or "")
    registry.validate(event)
    if event.name not in handlers:
        raise UnknownType(f"{service} does not handle {event.name!r}")
    return registry.upcast(event)
