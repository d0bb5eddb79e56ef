"""What all services know of a thread of causes, put together: who did what, when, and how long it took. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from chassis.timeline.steps import Step, What, milliseconds
from messaging.trail import Thread

#: What happens at the same moment, in the order in which it follows from each other.
_ORDER = (What.HANDLED, What.LEDGER, What.EVENT, What.LETTER, What.HELD)


@dataclass(frozen=True)
class Moment:
    """A step on the timeline, with what the other services add to it."""

    step: Step
    #: Milliseconds since the beginning of the thread, which is its first event.
    since_ms: int
    #: Of an event that was handled or is held: who has published it, and how long it was in the queue.
    producer: str | None = None
    queue_ms: int | None = None
    #: It set the thread off: a request or a job made it, and no event did.
    sets_off: bool = False


@dataclass(frozen=True)
class Story:
    """A thread of causes from its beginning."""

    moments: Sequence[Moment]

    @property
    def lasted_ms(self) -> int | None:
        """Return the time from the beginning to the last effect; None if nothing is known."""
        ends = [moment.since_ms + (moment.step.took_ms or 0) for moment in self.moments]
        return max(ends, default=None)


def merged_threads(threads: Iterable[Thread]) -> list[Thread]:
    """Return the threads that several services have told of, each once, the newest first."""
    merged: dict[UUID, Thread] = {}
    for thread in threads:
        known = merged.get(thread.correlation_id)
        if known is not None:
            earlier = min(known, thread, key=lambda one: one.since)
            thread = replace(earlier, events=known.events + thread.events)
        merged[thread.correlation_id] = thread
    return sorted(merged.values(), key=lambda thread: thread.since, reverse=True)


def put_together(steps: Iterable[Step]) -> Story:
    """Return the story that these steps of all services tell."""
    known = sorted(steps, key=lambda step: (step.at, _ORDER.index(step.what)))
    if not known:
        return Story(())
    made = {step.id: step for step in known if step.what is What.EVENT}
    first: dict[str, Step] = {}
    for step in made.values():
        if step.cause_id is None:
            first.setdefault(step.service, step)
    ordered = sorted(known, key=lambda step: _place(step, first))
    begin = ordered[0].at
    return Story([_moment(step, made, milliseconds(begin, step.at) or 0, first) for step in ordered])


def _place(step: Step, first: Mapping[str, Step]) -> tuple[datetime, bool]:
    """Movements have the moment of the event that tells of them: those that no event caused follow the request."""
    request = first.get(step.service)
    if step.what is What.LEDGER and step.cause_id is None and request is not None:
        return max(step.at, request.at), True
    return step.at, False


def _moment(step: Step, made: Mapping[UUID, Step], since_ms: int, first: Mapping[str, Step]) -> Moment:
    if step.what is What.EVENT:
        return Moment(step, since_ms, sets_off=first.get(step.service) is step)
    event = made.get(step.id) if step.what in (What.HANDLED, What.HELD) else None
    if event is None:
        return Moment(step, since_ms)
    told = replace(step, type=step.type or event.type, subject=event.subject)
    return Moment(told, since_ms, producer=event.service, queue_ms=_in_queue(event, step))


def _in_queue(event: Step, step: Step) -> int | None:
    """A held message is looked at again and again: only of the others it is known when they were taken."""
    if step.what is not What.HANDLED or event.took_ms is None:
        return None
    return milliseconds(event.at + timedelta(milliseconds=event.took_ms), step.at)
