"""A forwarder sends until the broker has everything."""

import threading
from collections.abc import Callable, Sequence

import pytest

from messaging.declaring import OwnTopology
from messaging.errors import CannotBeEncoded
from messaging.forwarder import Forwarder
from messaging.testing import StubBroker, StubPublisher
from messaging.topology import Topology, dead_letter_topology, dead_queue
from messaging.transport import Message, Outcome

MESSAGE = Message(0, "billing.dead", "", b"", "text/plain")


class Answering(StubPublisher):
    """Of a broker that answers what it is told to."""

    def __init__(self, broker: StubBroker) -> None:
        super().__init__(broker, lambda: None)
        self.answers: list[Outcome] = []
        self.sent: list[int] = []

    def send(self, messages: Sequence[Message]) -> None:
        self.sent += [message.tag for message in messages]
        super().send(messages)

    def outcomes(self, timeout: float) -> list[Outcome]:
        return [self.answers.pop(0)] if self.answers else super().outcomes(timeout)


class AnsweringBroker(StubBroker):
    """Makes one such publisher."""

    def __init__(self) -> None:
        super().__init__()
        self.declare(dead_letter_topology("billing"))
        self.made = Answering(self)

    def publisher(self, on_news: Callable[[], None] = lambda: None) -> Answering:  # noqa: ARG002
        return self.made


def forwarder(broker: AnsweringBroker, stop: threading.Event) -> Forwarder:
    return Forwarder(broker, OwnTopology(broker, Topology((), (), ()), stop), stop)


def test_what_is_refused_is_sent_again_until_the_broker_has_it() -> None:
    broker = AnsweringBroker()
    broker.made.answers = [Outcome(1, confirmed=False, reason="refused by the broker")]
    sending = forwarder(broker, threading.Event())
    sending.send([MESSAGE])
    assert sending.confirmed()
    assert broker.made.sent == [1, 1]
    assert broker.queue_state(dead_queue("billing")).ready == 2  # the first was taken, too: only its answer was lost


def test_what_can_never_be_sent_is_an_error_and_is_not_sent_for_ever() -> None:
    broker = AnsweringBroker()
    broker.made.answers = [Outcome(1, confirmed=False, reason="cannot be", hopeless=True)]
    sending = forwarder(broker, threading.Event())
    sending.send([MESSAGE])
    with pytest.raises(CannotBeEncoded, match="cannot be"):
        sending.confirmed()


def test_who_is_stopped_does_not_claim_that_the_broker_has_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("messaging.forwarder._LAST_CONFIRMS", 0)
    broker, stop = AnsweringBroker(), threading.Event()
    sending = forwarder(broker, stop)
    stop.set()
    monkeypatch.setattr(broker.made, "outcomes", lambda timeout: [])
    sending.send([MESSAGE])
    assert not sending.confirmed()
