"""Dead letters of a house: how a test lets events die, decides about them, and sees what became of them."""

from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.orm import Session

from messaging import Event, PermanentError, RetryLater, held
from messaging.dead_letters import Actor, Decision, State, decide, read_dead_letter
from messaging.envelope import CONTENT_TYPE
from messaging.received import Received
from messaging.topology import events_queue
from messaging.transport import Delivery
from tests.integration.messaging_house import SOLD, House
from tests.waiting import eventually

ADA = Actor("Ada", uuid4())


class Moody:
    """A handler that refuses what it is told to refuse."""

    def __init__(self) -> None:
        self.refuses = True

    def __call__(self, _session: Session, event: Event) -> None:
        if self.refuses:
            raise PermanentError(f"not in the mood for {event.data['n']}")


class FailsAtFirst:
    """A handler that fails at the first event of each subject, once."""

    def __init__(self) -> None:
        self._failed: set[str] = set()

    def __call__(self, _session: Session, event: Event) -> None:
        if event.subject not in self._failed:
            self._failed.add(event.subject)
            raise RetryLater("not yet")


def sold(n: int = 1, **changes: Any) -> Event:
    values: dict[str, Any] = {"type": f"{SOLD}.v1", "subject": str(uuid4()), "sequence": 1, "data": {"n": n}} | changes
    return Event.new(values.pop("type"), **values)


def bury(house: House, *events: Event) -> list[UUID]:
    """Let these events die."""
    before = len(house.dead_letters())
    house.send_raw(*(event.to_bytes() for event in events))
    eventually(lambda: len(house.dead_letters()) == before + len(events))
    eventually(lambda: house.dead_in_queue() == before + len(events))
    return [event.id for event in events]


def redeliver(house: House, *events: Event) -> None:
    """Start a consumer with the events in the queue as if the one before had died before it could ack them."""
    house.send_raw(*(event.to_bytes() for event in events))
    receiver = house.broker.receiver(events_queue(house.service), prefetch=len(events))
    taken: list[Delivery] = []

    def all_are_taken() -> bool:
        taken.extend(receiver.receive(len(events), 0.1))
        return len(taken) == len(events)

    eventually(all_are_taken)
    receiver.close()
    house.consumer()


def hold(house: House, *events: Event) -> None:
    """Hold these events as a consumer does that has got them again after the death of another one."""
    with house.sessions.begin() as session:
        held.block(session, [Received(as_sent(event), event) for event in events])
        held.release(session, {event.aggregate for event in events})


def as_sent(event: Event) -> Delivery:
    """Return the event as it comes to a consumer for the second time."""
    return Delivery(
        tag=1,
        connection=1,
        body=event.to_bytes(),
        content_type=CONTENT_TYPE,
        routing_key=event.type,
        message_id=str(event.id),
        type=event.type,
        app_id=event.producer,
        correlation_id=str(event.correlation_id),
        timestamp=None,
        headers={},
        redelivered=True,
        user_id=event.producer,
    )


def replay(house: House, letter_id: UUID) -> None:
    with house.sessions.begin() as session:
        decide(session, letter_id, Decision.REPLAY, by=ADA)


def state(house: House, letter_id: UUID) -> State:
    with house.sessions() as session:
        return read_dead_letter(session, letter_id).letter.state


def history(house: House, letter_id: UUID) -> list[tuple[str, str | None]]:
    with house.sessions() as session:
        return [(entry.action, entry.actor_name) for entry in read_dead_letter(session, letter_id).history]


def nothing_is_left(house: House) -> None:
    eventually(lambda: house.dead_letters() == [] and house.dead_in_queue() == 0)
