"""A consumer that sends messages on says for whom it waits."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from messaging import Health
from messaging.errors import CannotBeEncoded
from messaging.redirect import Redirector
from messaging.testing import StubBroker, StubPublisher
from messaging.topology import Topology
from messaging.transport import Delivery, Message, Outcome
from tests.waiting import eventually


class Unheard(StubPublisher):
    """Of a broker that does not answer."""

    in_the_way = ""
    sent: Sequence[Message] = ()

    def obstacle(self) -> str:
        return self.in_the_way

    def send(self, messages: Sequence[Message]) -> None:
        self.sent = messages

    def outcomes(self, timeout: float) -> list[Outcome]:  # noqa: ARG002
        return []


class UnheardBroker(StubBroker):
    """Makes one such publisher."""

    def __init__(self) -> None:
        super().__init__()
        self.made = Unheard(self, lambda: None)

    def publisher(self, on_news: Callable[[], None] = lambda: None) -> Unheard:  # noqa: ARG002
        return self.made


@contextmanager
def waiting(broker: UnheardBroker, condition: Health) -> Iterator[None]:
    """Somebody waits for a confirm in the block."""
    stop = threading.Event()
    redirector = Redirector(broker, "billing", Topology((), (), ()), stop, condition)
    redirector.send(Message(0, "", "billing.dead", b"", "text/plain"))
    thread = threading.Thread(target=redirector.confirmed)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_who_waits_for_a_confirm_says_why_it_does_not_come() -> None:
    broker, condition = UnheardBroker(), Health()
    broker.made.in_the_way = "blocked by the broker's alarm"
    with waiting(broker, condition):
        eventually(lambda: condition.doing == "blocked by the broker's alarm")
        assert not condition.ready


def test_who_waits_for_a_confirm_goes_on_coming_round(monkeypatch: pytest.MonkeyPatch) -> None:
    condition, rounds = Health(), threading.Semaphore(0)
    monkeypatch.setattr(condition, "come_round", rounds.release)
    with waiting(UnheardBroker(), condition):
        assert rounds.acquire(timeout=10)
        assert rounds.acquire(timeout=10)


def test_what_can_never_be_sent_is_an_error_and_is_not_sent_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = UnheardBroker()
    monkeypatch.setattr(broker.made, "outcomes", lambda timeout: [Outcome(1, False, "cannot be", hopeless=True)])
    redirector = Redirector(broker, "billing", Topology((), (), ()), threading.Event())
    redirector.send(Message(0, "", "billing.dead", b"", "text/plain"))
    with pytest.raises(CannotBeEncoded, match="cannot be"):
        redirector.confirmed()


@pytest.mark.parametrize(("words", "header"), [("\ud800", "ValueError: ?"), ("x" * 10_000, "ValueError: " + "x" * 488)])
def test_an_error_of_any_words_goes_along_with_what_waits(words: str, header: str) -> None:
    broker = UnheardBroker()
    redirector = Redirector(broker, "billing", Topology((), (), ()), threading.Event())
    delivery = Delivery(1, 1, b"", "text/plain", "shop.sold.v1", "", "", "", "", None, {}, redelivered=False)
    redirector.to_wait_queue(delivery, 50, datetime.now(UTC), attempts=1, error=ValueError(words))
    (waiting,) = broker.made.sent
    assert waiting.headers["error"] == header
