"""From events to the handlers that a service has for them: one by one, or a whole row of them at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from sqlalchemy.orm import Session

from messaging.context import MessageContext, batch_context, caused_by, current_context
from messaging.envelope import Event
from messaging.observer import Observer, is_around_handlers, observed
from messaging.unbroken import unbroken

#: Handles one event in the transaction of the session, and leaves its commit to the consumer.
Handler = Callable[[Session, Event], None]


@dataclass(frozen=True)
class Batch:
    """A handler that gets many events at once: all that follow each other in a batch and are subscribed with it.

    They come in order and without copies, in the one transaction of the batch. If that fails, each of them comes again
    in a batch of its own, so only the one at fault is tried again or dies. What it publishes is tied to one of them by
    `caused_by`.
    """

    handle: Callable[[Session, Sequence[Event]], None]


@dataclass(frozen=True)
class InOrder:
    """A handler whose events keep their order even when one of them dies.

    Later events of the aggregate, of whatever name, then wait behind the dead letter until somebody replays or
    discards it, and follow in their order. Behind the dead letters of other handlers they go on.
    """

    handler: Handler | Batch


#: The subscription of a service: event name without version -> what to do.
HandlerTable = Mapping[str, Handler | Batch | InOrder]


def keeps_order(handlers: HandlerTable, name: str) -> bool:
    """Tell whether later events wait behind a dead letter of this name."""
    return isinstance(handlers.get(name), InOrder)


def dispatch(handlers: HandlerTable, session: Session, events: Iterable[Event], observer: Observer) -> None:
    """Call the handlers in the order of the events, each inside its event's context and the observer's."""
    for handler, row in groupby(events, key=lambda event: _handler(handlers[event.name])):
        if isinstance(handler, Batch):
            _call_batch(handler, session, list(row), observer)
        else:
            for event in row:
                with caused_by(event), observed(observer, event), unbroken(session):
                    handler(session, event)


def _handler(entry: Handler | Batch | InOrder) -> Handler | Batch:
    return entry.handler if isinstance(entry, InOrder) else entry


def _call_batch(batch: Batch, session: Session, events: Sequence[Event], observer: Observer) -> None:
    contexts: dict[UUID, MessageContext] = {}
    with ExitStack() as stack:
        for event in events if is_around_handlers(observer) else ():
            stack.enter_context(caused_by(event))
            stack.enter_context(observed(observer, event))
            contexts[event.id] = current_context()
        stack.enter_context(batch_context(contexts))
        stack.enter_context(unbroken(session))
        batch.handle(session, events)
