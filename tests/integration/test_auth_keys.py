"""Registering somebody with an Idempotency-Key: however often it is sent, it is done once and answered alike."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import func, select

from auth_service.jobs import forget_expired
from auth_service.models import RequestKey
from chassis.db import utc_now
from tests.integration.auth_house import Api, House

RIO = {"name": "Rio", "email": "rio@popug.inc", "role": "popug"}
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("auth"))
    yield house
    house.close()


def register(api: Api, who: dict[str, str] = RIO, key: str = KEY) -> Any:
    return api.post("/users", who, Idempotency_Key=key)


def kept_keys(house: House) -> int:
    with house.database.reading() as session:
        return session.scalars(select(func.count()).select_from(RequestKey)).one()


def test_the_same_request_is_answered_as_it_was_at_first(house: House) -> None:
    root = house.api()
    first = register(root)
    assert first.status_code == 201
    root.patch(f"/users/{first.json['id']}", {"name": "Blu"})  # the answer is not what it would be now
    again = register(root)
    assert (again.status_code, again.data, again.headers["Location"]) == (201, first.data, first.headers["Location"])
    assert again.content_type == first.content_type == "application/json"
    assert len(house.published("user_registered")) == 2  # root is the other


def test_quotation_marks_are_no_part_of_a_key_nor_the_order_of_fields_one_of_a_request(house: House) -> None:
    root = house.api()
    first = register(root)
    again = register(root, dict(reversed(RIO.items())), f'"{KEY}"')
    assert again.data == first.data


def test_another_request_with_the_key_is_refused(house: House) -> None:
    root = house.api()
    register(root)
    other = register(root, {**RIO, "name": "Blu"})
    assert (other.status_code, list(other.json["errors"])) == (422, ["Idempotency-Key"])
    assert other.content_type == "application/problem+json"


def test_a_key_is_that_of_one_person(house: House) -> None:
    house.person("blu", role="admin")
    register(house.api())
    assert register(house.api("blu"), {**RIO, "email": "other@popug.inc"}).status_code == 201


def test_a_request_that_was_refused_may_be_sent_again_with_its_key(house: House) -> None:
    root = house.api()
    taken = root.post("/users", RIO).json["id"]
    assert register(root).status_code == 409
    root.patch(f"/users/{taken}", {"email": "elsewhere@popug.inc"})
    assert register(root).status_code == 201


def test_requests_that_come_at_once_wait_for_the_first(house: House) -> None:
    token = house.api().token
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda _: register(Api(house.app.test_client(), token)), range(6)))
    assert {(answer.status_code, answer.data) for answer in answers} == {(201, answers[0].data)}
    assert len(house.published("user_registered")) == 2


def test_after_a_day_a_key_counts_no_longer(house: House) -> None:
    register(house.api())
    with time_machine.travel(utc_now() + timedelta(hours=23)):
        forget_expired(house.database)
        assert register(house.api()).status_code == 201
        assert kept_keys(house) == 1
    with time_machine.travel(utc_now() + timedelta(hours=25)):
        assert register(house.api(), {**RIO, "email": "other@popug.inc"}).status_code == 201
        assert kept_keys(house) == 1
    with time_machine.travel(utc_now() + timedelta(hours=50)):
        forget_expired(house.database)
        assert kept_keys(house) == 0


@pytest.mark.parametrize("key", ["", '""', "k" * 256])
def test_a_key_has_1_to_255_characters(house: House, key: str) -> None:
    refused = register(house.api(), key=key)
    assert (refused.status_code, list(refused.json["errors"])) == (422, ["Idempotency-Key"])
