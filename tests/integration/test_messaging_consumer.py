"""From the queue to the effect: once, in order, and what cannot be handled is kept with its reason."""

import json
from datetime import UTC, datetime

import pika
import pytest
from sqlalchemy.orm import Session

from messaging import Event, PermanentError, UnknownType
from messaging.consumer import Consumer
from messaging.envelope import MAX_BYTES
from messaging.topology import Binding, Topology, events_queue
from tests.integration.messaging_house import SOLD, House
from tests.integration.messaging_letters import sold
from tests.waiting import eventually

pytestmark = pytest.mark.parametrize("in_batches", [False, True], ids=["one by one", "in batches"])


def test_an_event_that_arrives_twice_has_one_effect(house: House) -> None:
    event = sold(7)
    house.consumer()
    house.send_raw(event.to_bytes(), event.to_bytes())
    house.send_raw(event.to_bytes(), sold(8).to_bytes())
    house.wait_for_effects(2)
    eventually(lambda: house.outcomes == {"done": 2, "duplicate": 2})
    assert [effect.n for effect in house.effects()] == [7, 8]


def test_the_handler_sees_the_newest_version_of_an_older_event(house: House) -> None:
    seen: list[Event] = []
    house.handler = lambda session, event: seen.append(event)
    house.consumer()
    newest = sold(2, type=f"{SOLD}.v2", data={"n": 2, "colour": "red"})
    house.send_raw(sold(1).to_bytes())
    house.send_raw(newest.to_bytes(), type=newest.type)
    house.wait_for_effects(2)
    assert [(e.type, e.data["colour"]) for e in seen] == [(f"{SOLD}.v2", "green"), (f"{SOLD}.v2", "red")]


def test_events_made_by_a_handler_name_their_cause_and_share_the_correlation(house: House) -> None:
    made: list[Event] = []
    house.handler = lambda session, event: made.append(Event.new(f"{SOLD}.v1", subject="x", sequence=1, data={"n": 0}))
    house.consumer()
    cause = sold()
    house.send_raw(cause.to_bytes())
    house.wait_for_effects(1)
    assert (made[0].causation_id, made[0].correlation_id) == (cause.id, cause.correlation_id)


@pytest.mark.parametrize(
    ("body", "content_type", "type_", "reason", "detail"),
    [
        (b"parrot", None, f"{SOLD}.v1", "not-an-event", "not JSON"),
        (b"{}", None, f"{SOLD}.v1", "not-an-event", "specversion"),
        (b"", None, f"{SOLD}.v1", "not-an-event", "not JSON"),
        (sold().to_bytes(), "text/plain", f"{SOLD}.v1", "wrong-content-type", "text/plain"),
        (sold(data={"n": "many"}).to_bytes(), None, f"{SOLD}.v1", "schema-invalid", "data.n"),
        (sold(data={"n": 1, "x": 1}).to_bytes(), None, f"{SOLD}.v1", "schema-invalid", "x"),
        (sold(type=f"{SOLD}.v3").to_bytes(), None, f"{SOLD}.v3", "unknown-type", "v3"),
        (sold(type="shop.burnt.v1").to_bytes(), None, "shop.burnt.v1", "unknown-type", "shop.burnt"),
        (b" " * (MAX_BYTES + 1), None, f"{SOLD}.v1", "too-large", str(MAX_BYTES)),
    ],
)
def test_what_can_never_be_handled_dies_at_once_and_says_why(
    house: House, body: bytes, content_type: str | None, type_: str, reason: str, detail: str
) -> None:
    house.consumer()
    # As of a handler that is gone.
    house.broker.declare(Topology((), (), (Binding(house.exchange, events_queue(house.service), "shop.burnt.*"),)))
    kind = {"content_type": content_type} if content_type else {}
    house.send_raw(body, type=type_, **kind)
    house.send_raw(sold(5).to_bytes())
    house.wait_for_effects(1)
    (letter,) = eventually(house.dead_letters)
    assert (letter.reason, letter.type, letter.attempts) == (reason, type_, 1)
    assert detail in letter.detail
    (in_queue,) = house.queued(f"{house.service}.dead", 1)
    assert in_queue == body[:MAX_BYTES]
    assert [effect.n for effect in house.effects()] == [5]


def test_a_refusal_by_the_handler_is_final(house: House) -> None:
    def refuse_odd(session: Session, event: Event) -> None:
        if event.data["n"] % 2:
            raise PermanentError("odd numbers bring bad luck")

    house.handler = refuse_odd
    house.consumer()
    house.send_raw(*(sold(n).to_bytes() for n in range(6)))
    house.wait_for_effects(3)
    eventually(lambda: len(house.dead_letters()) == 3)
    assert {(d.reason, d.detail) for d in house.dead_letters()} == {
        ("refused-by-handler", "odd numbers bring bad luck")
    }
    assert [effect.n for effect in house.effects()] == [0, 2, 4]


def test_of_two_consumers_one_works_and_the_other_takes_over(house: House) -> None:
    house.relay()
    house.consumer()
    house.consumer()
    house.sell("apples")
    house.wait_for_effects(1)
    stop, thread = house._running.pop(1)
    stop.set()
    thread.join()
    house.sell("apples")
    house.wait_for_effects(2)
    assert house.sequences("apples") == [1, 2]


def test_a_subscription_to_an_event_without_a_schema_is_refused_at_once(house: House) -> None:
    with pytest.raises(UnknownType, match=r"shop\.burnt"):
        Consumer("x", house.broker, house.sessions, {"shop.burnt": house._handle}, house.registry)


def test_the_dead_letter_in_the_queue_carries_its_reason_for_the_management_console(house: House) -> None:
    house.consumer()
    house.send_raw(sold(data={"n": "many"}).to_bytes())
    receiver = house.broker.receiver(f"{house.service}.dead", prefetch=1)
    (delivery,) = eventually(lambda: receiver.receive(1, 0.2))
    receiver.close()
    assert delivery.headers["reason"] == "schema-invalid"
    assert "data.n" in delivery.headers["detail"]
    assert delivery.headers["routing-key"] == f"{SOLD}.v1"
    assert json.loads(delivery.body)["data"] == {"n": "many"}


def test_headers_and_types_that_no_one_of_ours_would_send_stop_nobody(house: House) -> None:
    house.consumer()
    parameters = pika.URLParameters(house.amqp_url)
    with pika.BlockingConnection(parameters) as connection:
        for type_ in ("x\x00y", b"\xff\xfe"):
            properties = pika.BasicProperties(
                content_type="text/\x00plain",
                type=type_,
                headers={"when": datetime.now(UTC), "none": None, "nul": "a\x00b", "list": [{"deep": 2**40}]},
            )
            connection.channel().basic_publish(house.exchange, f"{SOLD}.v1", b"\x00", properties)
    house.send_raw(sold(5).to_bytes())
    house.wait_for_effects(1)
    eventually(lambda: len(house.dead_letters()) == 2)
    assert {letter.reason for letter in house.dead_letters()} == {"wrong-content-type"}


def test_headers_that_leave_no_room_for_ours_stop_nobody(house: House) -> None:
    """A header frame cannot be split, and what is sent on has more headers than what came."""
    house.consumer()
    parameters = pika.URLParameters(house.amqp_url)
    full = "x" * 130_900
    with pika.BlockingConnection(parameters) as connection:
        for headers in ({"note": full}, {"notes": [full]}, {"subject": "apples", "x-note": full}):
            properties = pika.BasicProperties(content_type="text/plain", headers=headers)
            connection.channel().basic_publish(house.exchange, f"{SOLD}.v1", b"", properties)
    house.send_raw(sold(5).to_bytes())
    house.wait_for_effects(1)
    eventually(lambda: house.dead_in_queue() == 3)
    receiver = house.broker.receiver(f"{house.service}.dead", prefetch=3)
    dead = [eventually(lambda: receiver.receive(1, 0.1))[0] for _ in range(3)]
    receiver.close()
    assert [letter.headers["subject"] for letter in dead if "subject" in letter.headers] == ["apples"]  # it is small
