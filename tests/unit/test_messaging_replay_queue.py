"""A replay's way through the broker: whatever is refused, lost or left over, a consumer sees each message in turn."""

from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import Event
from messaging.replay.queue import NUMBER, ReplayQueue, numbered
from messaging.replay.sending import WINDOW, Sender
from messaging.replay.verdicts import after_verdict, digest
from messaging.testing import StubBroker, StubPublisher
from messaging.topology import Binding, Exchange, Queue, Topology
from messaging.transport import Message, Outcome

PRIVATE = Topology((Exchange("replay", "fanout"),), (Queue("private"),), (Binding("replay", "private", ""),))
RUN, EARLIER_RUN = uuid4(), uuid4()
PRODUCERS = ("shop", "mill")


def a_message(number: int, event_id: str = "") -> Message:
    producer = PRODUCERS[number % 2]
    return Message(0, "replay", "", b"{}", "application/json", message_id=event_id or str(number), app_id=producer)


def a_broker() -> StubBroker:
    broker = StubBroker()
    broker.declare(PRIVATE)
    return broker


def handle(queue: ReplayQueue, seen: list[int], limit: int = 50) -> None:
    """One round of a consumer."""
    deliveries = queue.receive(limit, 0)
    if deliveries:
        seen += [delivery.headers[NUMBER] for delivery in deliveries]
        queue.ack(deliveries)


class UnreliablePublisher(StubPublisher):
    """Refuses some messages at first; of others it says that they are lost, and they are not."""

    def __init__(self, broker: StubBroker, refused: set[int], thought_lost: set[int]) -> None:
        super().__init__(broker, lambda: None)
        self._refused = set(refused)
        self._thought_lost = set(thought_lost)

    def send(self, messages: Sequence[Message]) -> None:
        for message in messages:
            refused, thought_lost = message.tag in self._refused, message.tag in self._thought_lost
            self._refused.discard(message.tag)
            self._thought_lost.discard(message.tag)
            if not refused:
                self._broker.route(message)
            self._outcomes.append(Outcome(message.tag, not (refused or thought_lost)))


@pytest.fixture(scope="module", autouse=True)
def _without_pauses() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("messaging.replay.sending._PAUSE", 0)
        yield


numbers = st.sets(st.integers(1, 40))


@given(refused=numbers, thought_lost=numbers, left_over=st.lists(st.integers(1, 40)), limit=st.integers(1, 9))
def test_every_message_is_received_once_and_in_order(
    refused: set[int], thought_lost: set[int], left_over: list[int], limit: int
) -> None:
    broker, seen = a_broker(), list[int]()
    for number in left_over:
        broker.route(numbered(a_message(number), EARLIER_RUN, number))
    receiver = broker.receiver("private", 2 * WINDOW)
    queue = ReplayQueue(receiver, RUN)
    publishers = {name: UnreliablePublisher(broker, refused, thought_lost) for name in PRODUCERS}
    messages = (numbered(a_message(number), RUN, number) for number in range(1, 41))
    sender = Sender(publishers, queue)
    sender.send_all(messages, look=lambda: handle(queue, seen, limit))
    handle(queue, seen, WINDOW)  # whatever is left are copies
    receiver.close()
    assert seen == list(range(1, 41))
    assert (sender.sent, queue.settled) == (40, 40)
    assert broker.queue_state("private").ready == 0


class _Enough(Exception):
    pass


def test_no_more_is_sent_than_the_window_before_the_consumer_has_settled_something() -> None:
    broker = a_broker()
    queue = ReplayQueue(broker.receiver("private", 2 * WINDOW), RUN)
    rounds = iter(range(5))

    def look() -> None:
        if next(rounds, None) is None:
            raise _Enough

    sender = Sender({name: broker.publisher() for name in PRODUCERS}, queue)
    with pytest.raises(_Enough):
        sender.send_all((numbered(a_message(n), RUN, n) for n in range(1, 10 * WINDOW)), look=look)
    assert broker.queue_state("private").ready == WINDOW


def received_again(broker: StubBroker, *messages: Message) -> None:
    """Let somebody receive the messages and end without a word."""
    for message in messages:
        broker.route(message)
    somebody = broker.receiver("private", 10)
    assert len(somebody.receive(10, 0)) == len(messages)
    somebody.close()


def test_what_an_earlier_run_had_in_its_hands_is_marked_as_redelivered_and_nothing_else() -> None:
    broker = a_broker()
    received_again(broker, numbered(a_message(1, "killer"), EARLIER_RUN, 1))
    broker.route(numbered(a_message(2, "never in its hands"), EARLIER_RUN, 2))
    broker.route(numbered(a_message(1, "never in its hands"), RUN, 1))
    broker.route(numbered(a_message(2, "killer"), RUN, 2))
    received = ReplayQueue(broker.receiver("private", 10), RUN).receive(10, 0)
    assert [(delivery.message_id, delivery.redelivered) for delivery in received] == [
        ("never in its hands", False),
        ("killer", True),
    ]


def test_a_connection_that_was_lost_in_this_run_makes_nobody_a_suspect() -> None:
    broker = a_broker()
    received_again(broker, numbered(a_message(1), RUN, 1))
    (delivery,) = ReplayQueue(broker.receiver("private", 10), RUN).receive(10, 0)
    assert not delivery.redelivered


def test_messages_of_nobodys_run_are_dropped() -> None:
    broker = a_broker()
    broker.route(a_message(1))
    broker.route(Message(0, "replay", "", b"{}", "text/plain", headers={"replay": str(RUN), NUMBER: "first"}))
    receiver = broker.receiver("private", 10)
    assert ReplayQueue(receiver, RUN).receive(10, 0) == []
    receiver.close()
    assert broker.queue_state("private").ready == 0


def an_event() -> Event:
    return Event.new("shop.sold.v1", subject="apples", sequence=1, data={"n": 1})


def the_message(event: Event, *, producer: str = "shop") -> Message:
    return a_message(1)._replace(body=event.to_bytes(), message_id=str(event.id), app_id=producer)


def test_an_event_that_was_edited_twice_comes_as_it_was_edited_last() -> None:
    first, second, third = (an_event().to_bytes() for _ in range(3))
    found = after_verdict(the_message(Event.from_bytes(first)), {digest(first): second, digest(second): third})
    assert found is not None
    assert (found.body, found.message_id) == (third, str(Event.from_bytes(third).id))


def test_an_event_whose_edited_form_died_too_is_not_sent() -> None:
    first, second = (an_event().to_bytes() for _ in range(2))
    assert after_verdict(the_message(Event.from_bytes(first)), {digest(first): second, digest(second): None}) is None


def test_an_edited_event_of_another_producer_is_not_sent_in_its_name() -> None:
    event = an_event()
    verdicts = {digest(event.to_bytes()): an_event().to_bytes()}
    assert after_verdict(the_message(event, producer="mill"), verdicts) is None
