"""What led to the events that are made now: the correlation, the cause and the trace, carried implicitly."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True)
class MessageContext:
    """The thread of causes that new events are tied to."""

    #: Shared by everything that one request set off, across all services.
    correlation_id: UUID | None = None
    #: The id of the event whose handling makes the new ones; None outside a handler.
    causation_id: UUID | None = None
    #: The W3C Trace Context that came in, or that of the running span if traces are kept.
    traceparent: str | None = None
    #: For who keeps traces: called with the type of each new event, returns the trace context of its making.
    trace_event: Callable[[str], str | None] | None = None

    def traceparent_for(self, event_type: str) -> str | None:
        """Return the trace context that a new event of this type carries."""
        return self.traceparent if self.trace_event is None else self.trace_event(event_type)


_current: ContextVar[MessageContext] = ContextVar("message_context", default=MessageContext())  # noqa: B039 (frozen)


def current_context() -> MessageContext:
    """Return the context that `Event.new` reads."""
    return _current.get()


@contextmanager
def message_context(
    *,
    correlation_id: UUID | None = None,
    causation_id: UUID | None = None,
    traceparent: str | None = None,
    trace_event: Callable[[str], str | None] | None = None,
) -> Iterator[MessageContext]:
    """Tie every event made inside the block to this correlation, cause and trace."""
    context = MessageContext(correlation_id, causation_id, traceparent, trace_event)
    token = _current.set(context)
    try:
        yield context
    finally:
        _current.reset(token)
