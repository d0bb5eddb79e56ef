"""Whatever a broker can carry ends nothing: it dies at once with a reason, and its neighbours are handled."""

import json
from struct import pack
from typing import Any

import pika
import pytest
from sqlalchemy.orm import Session

from messaging import Event, RetryLater
from messaging.dead_letters import read_dead_letter
from messaging.envelope import CONTENT_TYPE
from tests.integration.messaging_house import SOLD, House
from tests.integration.messaging_letters import sold
from tests.waiting import eventually


class RawHeaders(pika.BasicProperties):  # type: ignore[misc]
    """Properties with headers that pika itself cannot write."""

    def __init__(self, fields: bytes) -> None:
        super().__init__(content_type=CONTENT_TYPE)
        self.fields = fields

    def encode(self) -> list[bytes]:
        flags = pack(">H", self.FLAG_CONTENT_TYPE | self.FLAG_HEADERS | self.FLAG_USER_ID)
        table = pack(">I", len(self.fields)) + self.fields
        return [flags, short_text(CONTENT_TYPE), table, short_text(self.user_id)]


def short_text(text: str) -> bytes:
    return bytes((len(text),)) + text.encode()


def nested_tables(levels: int) -> bytes:
    fields = b""
    for _ in range(levels):
        fields = b"\x01tF" + pack(">I", len(fields)) + fields
    return fields


def send(house: House, body: bytes, properties: pika.BasicProperties) -> None:
    parameters = pika.URLParameters(house.amqp_url)
    properties.user_id = parameters.credentials.username
    with pika.BlockingConnection(parameters) as connection:
        connection.channel().basic_publish(house.exchange, f"{SOLD}.v1", body, properties)


def changed(**attributes: Any) -> bytes:
    return json.dumps(json.loads(sold().to_bytes()) | attributes).encode()


def is_handled_beside(house: House, *neighbours: Event) -> None:
    house.consumer()
    house.wait_for_effects(len(neighbours))
    assert {effect.event_id for effect in house.effects()} == {event.id for event in neighbours}
    eventually(lambda: house.unfinished() == {})


@pytest.mark.parametrize(
    "time", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-14:00", "1969-12-31T23:59:59Z", "9999-12-31T23:59:59Z"]
)
def test_a_time_that_is_no_time_of_an_event_is_a_dead_letter(house: House, time: str) -> None:
    house.subscribe()
    before, behind = sold(), sold()
    house.send_raw(before.to_bytes(), changed(time=time), behind.to_bytes())
    is_handled_beside(house, before, behind)
    (letter,) = house.dead_letters()
    assert (letter.reason, letter.attempts) == ("not-an-event", 1)
    assert "time" in letter.detail


@pytest.mark.parametrize(
    "fields",
    [
        nested_tables(600),
        nested_tables(15_000),
        b"\x01nT" + pack(">Q", 2**64 - 1),
    ],
    ids=["600 tables", "15,000 tables", "a year of ten digits"],
)
def test_headers_that_cannot_be_read_are_a_dead_letter(house: House, fields: bytes) -> None:
    house.subscribe()
    before, evil, behind = sold(), sold(), sold()
    house.send_raw(before.to_bytes())
    send(house, evil.to_bytes(), RawHeaders(fields))
    house.send_raw(behind.to_bytes())
    is_handled_beside(house, before, behind)
    (letter,) = house.dead_letters()
    assert (letter.id, letter.reason, letter.attempts) == (evil.id, "not-an-event", 1)
    assert "headers cannot be read" in letter.detail
    eventually(lambda: house.dead_in_queue() == 1)
    with house.sessions() as session:
        assert read_dead_letter(session, letter.id).content_type == CONTENT_TYPE


@pytest.mark.parametrize(
    "fields",
    [nested_tables(20), nested_tables(200), nested_tables(400), b"\x01nd" + pack(">d", 1e308)],
    ids=["20 tables", "200 tables", "400 tables", "a number of 309 digits"],
)
def test_an_event_with_strange_headers_that_can_be_read_is_handled(house: House, fields: bytes) -> None:
    house.subscribe()
    event = sold()
    send(house, event.to_bytes(), RawHeaders(fields))
    is_handled_beside(house, event)


@pytest.mark.parametrize("attempts", [10**15, 2**31 - 1, -(10**15), True])
def test_a_number_of_attempts_that_nobody_has_made_is_not_taken_at_its_word(house: House, attempts: int) -> None:
    def fail(_session: Session, event: Event) -> None:
        if event.id == evil.id:
            raise RetryLater("not today")

    house.handler = fail
    house.subscribe()
    evil, behind = sold(), sold()
    send(house, evil.to_bytes(), pika.BasicProperties(content_type=CONTENT_TYPE, headers={"attempts": attempts}))
    house.send_raw(behind.to_bytes())
    is_handled_beside(house, behind)
    (letter,) = house.dead_letters()
    assert (letter.id, letter.reason) == (evil.id, "attempts-used-up")
    assert letter.attempts == house.retry.attempts


def test_headers_of_others_do_not_crowd_out_the_number_of_attempts(house: House) -> None:
    def fail(_session: Session, _event: Event) -> None:
        raise RetryLater("not today")

    house.handler = fail
    house.consumer()
    many = {f"{n:05}": n for n in range(7000)}
    send(house, sold().to_bytes(), pika.BasicProperties(content_type=CONTENT_TYPE, headers=many))
    (letter,) = eventually(house.dead_letters)
    assert (letter.reason, letter.attempts) == ("attempts-used-up", house.retry.attempts)
