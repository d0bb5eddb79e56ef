"""Hundreds of messages that can never be handled, and some that kill the consumer, among thousands of good ones."""

import os
import signal
from collections import Counter
from random import Random
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from messaging import Event
from messaging.envelope import CONTENT_TYPE, MAX_BYTES
from messaging.topology import events_queue
from messaging.transport import Message, QueueState
from tests.integration.messaging_house import SOLD, House
from tests.integration.messaging_processes import DEATHS_EACH, Processes
from tests.waiting import eventually

GOOD = 2_500
KILLERS = 5
#: How many of each kind of message that can never be handled: 500 in all.
INVALID = {
    "not-an-event": 96,
    "wrong-content-type": 96,
    "not-from-its-producer": 96,
    "unknown-type": 96,
    "schema-invalid": 96,
    "too-large": 20,
}
_KILLS = "black"
_UNKNOWN = f"{SOLD}.v9"

pytestmark = [pytest.mark.slow, pytest.mark.parametrize("in_batches", [False, True], ids=["one by one", "in batches"])]


def kills(_session: Session, event: Event) -> None:
    """End the process at once, as a crash in a C library or the kernel's memory killer would."""
    if event.data["colour"] == _KILLS:
        os.kill(os.getpid(), signal.SIGKILL) if event.data["n"] % 2 else os._exit(1)


def sold(n: int, /, *, type: str = f"{SOLD}.v2", **data: object) -> bytes:
    return Event.new(type, subject=str(uuid4()), sequence=1, data={"n": n, "colour": "red"} | data).to_bytes()


def invalid(reason: str, n: int) -> Message:
    """Return the n-th message of this kind: each kind comes in several forms."""
    forms: dict[str, tuple[bytes, ...]] = {
        "not-an-event": (b"parrot", b"", b"{}", b"[1, 2]", b"\xff\xfe", b'{"specversion": "1.0"}'),
        "wrong-content-type": (sold(n),),
        "not-from-its-producer": (sold(n, type="mill.sold.v2"), sold(n, type="shop.burnt.v1")),
        "unknown-type": (sold(n, type=_UNKNOWN),),
        "schema-invalid": (sold(n, n="many"), sold(n, colour=None), sold(n, extra=1)),
        "too-large": (b" " * (MAX_BYTES + 1),),
    }
    body = forms[reason][n % len(forms[reason])]
    content_type = "text/plain" if reason == "wrong-content-type" else CONTENT_TYPE
    return message(body, content_type, type=_UNKNOWN if reason == "unknown-type" else f"{SOLD}.v2")


def message(body: bytes, content_type: str = CONTENT_TYPE, *, type: str = f"{SOLD}.v2") -> Message:
    return Message(0, "", type, body, content_type, message_id=str(uuid4()), type=type)


def mixed(good: list[Message], bad: list[Message]) -> list[Message]:
    """Put the bad ones anywhere among the good ones."""
    random = Random(5)
    random.shuffle(bad)
    everything = list(good)
    for place, unfit in zip(sorted(random.sample(range(len(good)), len(bad)), reverse=True), bad, strict=True):
        everything.insert(place, unfit)
    return everything


def send(house: House, messages: list[Message]) -> None:
    house.send(message._replace(exchange=house.exchange) for message in messages)


def test_only_what_can_never_be_handled_dies_and_every_other_event_is_applied_once(
    house: House, processes: Processes
) -> None:
    bad = [invalid(reason, n) for reason, count in INVALID.items() for n in range(count)]
    bad += [message(sold(n, colour=_KILLS)) for n in range(KILLERS)]
    house.subscribe()
    send(house, mixed([message(sold(n)) for n in range(GOOD)], bad))

    with processes.supervised("consumer", house, handler=kills) as consumer:
        house.wait_for_effects(GOOD)
        eventually(lambda: len(house.dead_letters()) == len(bad))
        eventually(lambda: house.unfinished() == {})

    assert Counter(letter.reason for letter in house.dead_letters()) == INVALID | {"kills-the-process": KILLERS}
    assert sorted(effect.n for effect in house.effects()) == list(range(GOOD))
    assert consumer.deaths <= DEATHS_EACH * KILLERS
    assert house.broker.queue_state(events_queue(house.service)) == QueueState(ready=0, consumers=0)
    house.mirror()  # one that died between sending and marking may have put a letter into the queue twice
    eventually(lambda: house.dead_in_queue() == len(bad))


def test_events_that_kill_the_consumer_side_by_side_are_found_as_fast_as_each_alone(
    house: House, processes: Processes
) -> None:
    house.subscribe()
    killers = [message(sold(n, colour=_KILLS)) for n in range(KILLERS)]
    send(house, [message(sold(0)), *killers, message(sold(1))])

    with processes.supervised("consumer", house, handler=kills) as consumer:
        house.wait_for_effects(2)
        eventually(lambda: house.unfinished() == {})

    assert Counter(letter.reason for letter in house.dead_letters()) == {"kills-the-process": KILLERS}
    assert [effect.n for effect in house.effects()] == [0, 1]
    assert consumer.deaths <= DEATHS_EACH * KILLERS
