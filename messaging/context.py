"""What led to the events that are made now: the correlation, the cause and the trace, carried implicitly."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from messaging.envelope import Event


@dataclass(frozen=True)
class MessageContext:
    """The thread of causes that new events are tied to."""

    #: Shared by everything that one request set off, across all services.
    correlation_id: UUID | None = None
    #: The event whose handling makes the new ones; None outside a handler.
    cause: "Event | None" = None
    #: The W3C Trace Context that came in, or that of the running span if traces are kept.
    traceparent: str | None = None
    #: For who keeps traces: called with the type of each new event, returns the trace context of its making.
    trace_event: Callable[[str], str | None] | None = None

    def traceparent_for(self, event_type: str) -> str | None:
        """Return the trace context that a new event of this type carries."""
        return self.traceparent if self.trace_event is None else self.trace_event(event_type)


_NOTHING = MessageContext()
_current: ContextVar[MessageContext] = ContextVar("message_context", default=_NOTHING)
#: While a batch is handled: the context of each of its events, by the event's id.
_of_batch: ContextVar[Mapping[UUID, MessageContext] | None] = ContextVar("contexts_of_batch", default=None)


def current_context() -> MessageContext:
    """Return the context that `Event.new` reads."""
    return _current.get()


@contextmanager
def message_context(
    *,
    correlation_id: UUID | None = None,
    cause: "Event | None" = None,
    traceparent: str | None = None,
    trace_event: Callable[[str], str | None] | None = None,
) -> Iterator[MessageContext]:
    """Tie every event made inside the block to this correlation, cause and trace."""
    context = MessageContext(correlation_id, cause, traceparent, trace_event)
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)


@contextmanager
def caused_by(event: "Event") -> Iterator[None]:
    """Tie every event made inside the block to this one, as its cause, and to its correlation and trace."""
    prepared = (_of_batch.get() or {}).get(event.id)
    token = _current.set(prepared or MessageContext(event.correlation_id, event, event.traceparent))
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def batch_context(contexts: Mapping[UUID, MessageContext]) -> Iterator[None]:
    """Tie nothing made inside the block to any event, but by `caused_by`, which finds that event's context here."""
    nothing, batch = _current.set(_NOTHING), _of_batch.set(contexts)
    try:
        yield
    finally:
        _of_batch.reset(batch)
        _current.reset(nothing)
