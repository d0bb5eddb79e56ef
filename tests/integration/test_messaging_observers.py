"""An observer that fails changes nothing for the events: relay and consumer go on, and say what it did."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import pytest
from sqlalchemy.orm import Session

from messaging import Event, Observer, OutcomeName, PermanentError
from messaging.outbox_reader import PendingEvent
from tests.integration.messaging_house import House
from tests.waiting import eventually


class Broken(Observer):
    """Fails at everything it is told."""

    def published(self, events: Sequence[PendingEvent]) -> None:  # noqa: ARG002
        raise RuntimeError("no metrics today")

    def outcome(self, outcome: OutcomeName, event: Event | None) -> None:  # noqa: ARG002
        raise RuntimeError("no counters today")


class BrokenBefore(Broken):
    """Fails before the handler is called."""

    def handling(self, event: Event) -> AbstractContextManager[object]:
        raise RuntimeError(f"no traces of {event.id}")


class BrokenAfter(Broken):
    """Fails when the handler is done, and hides what the handler has raised."""

    @contextmanager
    def handling(self, event: Event) -> Iterator[None]:
        try:
            yield
        except PermanentError:
            return
        raise RuntimeError(f"no traces of {event.id}")


def test_a_relay_goes_on_whatever_its_observer_raises(house: House, caplog: pytest.LogCaptureFixture) -> None:
    relay = house.relay(observer=Broken())
    house.consumer()
    for n in range(3):
        house.sell("apples", n)
        house.wait_for_effects(n + 1)
    eventually(lambda: house.pending() == 0)
    assert relay.active.is_set()
    assert "no metrics today" in caplog.text


@pytest.mark.parametrize("observer", [BrokenBefore(), BrokenAfter()])
def test_events_are_handled_once_and_die_of_their_own_faults_alone_whatever_the_observer_raises(
    house: House, observer: Observer, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse_pears(_session: Session, event: Event) -> None:
        if event.subject == "pears":
            raise PermanentError("no pears")

    house.handler = refuse_pears
    house.consumer(observer=observer)
    house.relay()
    for shelf in ("apples", "pears", "plums"):
        house.sell(shelf)
    house.wait_for_effects(2)
    (letter,) = eventually(house.dead_letters)
    assert letter.detail == "no pears"
    assert [effect.subject for effect in house.effects()] == ["apples", "plums"]
    assert "no traces of" in caplog.text
