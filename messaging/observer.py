"""What relay and consumer tell of their work while they do it: for metrics and traces, which are not made here."""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Literal, TypeVarTuple

from messaging.envelope import Event
from messaging.outbox_reader import PendingEvent

Told = TypeVarTuple("Told")

_log = logging.getLogger(__name__)

#: What became of a delivery. `waiting`: it is held, because an earlier event of its aggregate waits or because it was
#: redelivered, and is handled from the table later.
#: A duplicate is a copy of an event that had its effect before, or is dead.
OutcomeName = Literal["done", "duplicate", "retry", "waiting", "dead"]


class Observer:
    """Hears what happens, on the thread on which it happens, and does nothing: override what you want to know.

    What it raises is logged, and changes nothing for the events.
    """

    def published(self, events: Sequence[PendingEvent]) -> None:
        """The broker has confirmed these events, and they have just been marked: they are pending no more."""

    def outcome(self, outcome: OutcomeName, event: Event | None) -> None:
        """A delivery came to its end, after the commit of its effect. `event` is None if it could not be read."""

    def handling(self, event: Event) -> AbstractContextManager[object]:
        """Return a context for the handler: inside the message context of the event, inside the transaction.

        Those of a batch that is handled at once are entered one inside the other.
        """
        del event
        return nullcontext()


def tell(hear: Callable[[*Told], object], *told: *Told) -> None:
    """Call a method of an observer, and log what it raises."""
    try:
        hear(*told)
    except Exception:  # noqa: BLE001 (whatever an observer does wrong is none of the event's business)
        _log.exception("the observer failed: %r", hear)


def is_around_handlers(observer: Observer) -> bool:
    """Tell whether the observer has contexts of its own for handlers: without, nobody need enter one for each event."""
    return type(observer).handling is not Observer.handling


@contextmanager
def observed(observer: Observer, event: Event) -> Iterator[None]:
    """Have the observer's context around the handler: it can neither fail an event nor hide that one has failed."""
    context = ExitStack()
    tell(lambda: context.enter_context(observer.handling(event)))
    try:
        yield
    except BaseException as error:
        tell(context.__exit__, type(error), error, error.__traceback__)
        raise
    tell(context.__exit__, None, None, None)
