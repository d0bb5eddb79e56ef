"""Photos that are refused: how many may be tried, what is noted of them, and who does not pay for them."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
import requests
import time_machine
from sqlalchemy import func, select

from auth_service import commands
from auth_service.commands import beaks, forgetting
from auth_service.decoder import Decoder
from auth_service.demo.parrot import draw_parrot
from auth_service.domain.beak import Descriptor
from auth_service.errors import (
    AmbiguousBeak,
    PhotoTooLarge,
    ServiceError,
    TooManyPhotos,
    UnknownBeak,
    UnsupportedPhoto,
    UnusablePhoto,
    UserIsBlocked,
)
from auth_service.jobs import forget_expired
from auth_service.models import RefusedSignIn
from auth_service.ui.sign_ins import reason_names
from chassis.db import utc_now
from tests.integration.auth_house import PNG, House
from tests.integration.webserver_house import House as Server
from tests.integration.webserver_house import running
from tests.waiting import eventually

TOO_MANY = "urn:ates:problem:too-many-refusals"


@pytest.fixture
def house(migrated: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    house = House(migrated("auth"))
    known: dict[bytes, Descriptor] = {}
    look = beaks.look_at

    def look_once(photo: bytes, content_type: str) -> Descriptor:
        """Remembers the photos that were recognised: it is not the looking that is tested here."""
        if photo not in known:
            known[photo] = look(photo, content_type)
        return known[photo]

    monkeypatch.setattr(commands, "look_at", look_once)
    yield house
    house.close()


def show(house: House, photo: bytes = b"no picture", *, address: str = "127.0.0.1") -> Any:
    """The answer to a photo from this address."""
    client = house.app.test_client()
    return client.post("/api/v1/token", data=photo, headers=PNG, environ_overrides={"REMOTE_ADDR": address})


def show_on_page(house: House, photo: bytes = b"no picture") -> Any:
    client = house.app.test_client()
    return client.post("/sign-in", data={"photo": (BytesIO(photo), "beak.png", "image/png")})


def statuses(house: House, times: int, *, address: str = "127.0.0.1") -> set[int]:
    return {show(house, address=address).status_code for _ in range(times)}


def test_who_tries_too_many_photos_has_to_wait_for_as_long_as_is_said(house: House) -> None:
    with time_machine.travel(utc_now(), tick=False) as clock:
        assert statuses(house, 30) == {422}
        answer = show(house)
        assert (answer.status_code, answer.mimetype) == (429, "application/problem+json")
        assert answer.json["type"] == TOO_MANY
        seconds = int(answer.headers["Retry-After"])
        assert 0 < seconds <= 61
        clock.shift(seconds)
        assert show(house).status_code == 422


def test_the_page_counts_with_the_api_and_answers_with_a_page(house: House) -> None:
    assert statuses(house, 20) == {422}
    assert {show_on_page(house).status_code for _ in range(10)} == {422}
    answer = show_on_page(house)
    assert (answer.status_code, answer.mimetype) == (429, "text/html")
    assert answer.headers["Retry-After"]
    assert "Too many photos were refused" in answer.text
    assert house.app.test_client().get("/sign-in").status_code == 200


@pytest.mark.parametrize("refused", ["unknown", "blocked"])
def test_a_beak_that_opens_no_door_counts_as_well(house: House, refused: str) -> None:
    kesha = house.person("kesha", beak=refused == "blocked")
    with house.database.transaction() as session:
        commands.block_user(session, kesha)
    for _ in range(30):
        assert show(house, draw_parrot("kesha")).status_code == 401
    assert show(house, draw_parrot("kesha")).status_code == 429


def test_who_is_recognised_does_not_use_up_the_limit(house: House) -> None:
    for _ in range(40):
        assert show(house, draw_parrot("root")).status_code == 200
    assert statuses(house, 30) == {422}


def test_what_one_address_is_refused_does_not_shut_out_another(house: House) -> None:
    assert statuses(house, 31, address="192.0.2.1") == {422, 429}
    assert show(house, draw_parrot("root"), address="192.0.2.2").status_code == 200


def test_addresses_of_one_network_of_ipv6_are_one_client(house: House) -> None:
    for number in range(30):
        assert show(house, address=f"2001:db8::{number:x}").status_code == 422
    assert show(house, address="2001:db8::ffff:1").status_code == 429
    assert show(house, address="2001:db8:0:1::1").status_code == 422


@pytest.mark.parametrize("address", ["::ffff:192.0.2.9", "fe80::1%eth0", "unknown"])
def test_whatever_a_proxy_says_of_the_address_is_counted(house: House, address: str) -> None:
    assert statuses(house, 30, address=address) == {422}
    assert show(house, address=address).status_code == 429
    assert show(house, address="::ffff:192.0.2.10").status_code == 422


def test_many_addresses_together_have_a_limit_of_their_own(house: House) -> None:
    assert show(house, draw_parrot("root"), address="192.0.2.100").status_code == 200
    for number in range(4):
        assert statuses(house, 30, address=f"192.0.2.{number}") == {422}
    assert show(house, draw_parrot("root"), address="192.0.2.5").status_code == 429
    assert show(house, draw_parrot("root"), address="192.0.2.100").status_code == 200, "was recognised there before"


def test_a_refusal_is_noted_with_its_reason(house: House) -> None:
    kesha = house.person("kesha")
    root = house.api()
    root.post(f"/users/{kesha}/block")
    show(house)
    show(house, draw_parrot("stranger"), address="192.0.2.7")
    show_on_page(house, draw_parrot("kesha"))
    items = root.get("/sign-ins/refused").json["items"]
    assert [(item["reason"], item["user_id"], item["via"], item["address"]) for item in items] == [
        ("user-is-blocked", str(kesha), "pages", "127.0.0.1"),
        ("unknown-beak", None, "api", "192.0.2.7"),
        ("not-a-picture", None, "api", "127.0.0.1"),
    ]
    page = house.browser().get("/sign-ins/refused").text
    assert f"/users/{kesha}" in page
    for reason in ("The user is blocked", "Unknown beak", "No picture, or a damaged one"):
        assert reason in page
    assert '"/sign-ins/refused"' in house.browser().get("/sign-ins").text


def test_the_page_says_in_russian_why_somebody_was_refused(house: House) -> None:
    show(house, draw_parrot("stranger"))
    assert "Незнакомый клюв" in house.browser().get("/sign-ins/refused?lang=ru").text


def test_a_reason_that_is_no_longer_known_is_shown_as_it_was_noted(house: House) -> None:
    with house.database.transaction() as session:
        session.add(RefusedSignIn(reason="too-green", via="pages", refused_at=utc_now()))
    assert "too-green" in house.browser().get("/sign-ins/refused").text


def test_the_page_has_words_for_every_reason(house: House) -> None:
    refusals: list[ServiceError] = [
        UnknownBeak(),
        AmbiguousBeak(),
        UserIsBlocked(UUID(int=1)),
        UnsupportedPhoto(),
        PhotoTooLarge(megabytes=2, megapixels=20),
        *(kind() for kind in UnusablePhoto.__subclasses__()),
    ]
    with house.app.test_request_context():
        assert {refusal.kind for refusal in refusals} == set(reason_names())


def test_only_administrators_see_who_was_refused(house: House) -> None:
    house.person("kesha")
    assert house.api("kesha").get("/sign-ins/refused").status_code == 403
    assert house.browser("kesha").get("/sign-ins/refused").status_code == 403


def test_what_is_beyond_the_limit_is_not_noted(house: House) -> None:
    statuses(house, 40)
    assert noted(house) == 30


@pytest.mark.parametrize("shown", [show, show_on_page])
def test_a_full_house_refuses_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch, shown: Callable[[House], Any]
) -> None:
    def look(photo: bytes, content_type: str) -> Descriptor:
        raise TooManyPhotos

    monkeypatch.setattr(commands, "look_at", look)
    for _ in range(31):
        answer = shown(house)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"] == "2"
    assert noted(house) == 0


def test_refusals_are_forgotten_when_they_are_old(house: House) -> None:
    show(house)
    with time_machine.travel(utc_now() + timedelta(days=89), tick=False):
        forget_expired(house.database)
        assert noted(house) == 1
    with time_machine.travel(utc_now() + timedelta(days=91), tick=False):
        forget_expired(house.database)
        assert noted(house) == 0


def test_of_too_many_refusals_the_latest_are_kept(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "_MOST_REFUSALS", 3)
    for number in range(5):
        show(house, address=f"192.0.2.{number}")
    forget_expired(house.database)
    with house.database.reading() as session:
        assert set(session.scalars(select(RefusedSignIn.address))) == {"192.0.2.2", "192.0.2.3", "192.0.2.4"}


def noted(house: House) -> int:
    with house.database.reading() as session:
        return session.scalar(select(func.count()).select_from(RefusedSignIn)) or 0


def test_while_photos_take_all_seats_keys_and_probes_are_answered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each photo takes as long as it likes here; those who find no seat hear so, and nobody else notices."""
    goes_on = threading.Event()

    def look(_decoder: Decoder, _photo: bytes, _content_type: str) -> bytes:
        goes_on.wait(60)
        return b""

    monkeypatch.setattr(Decoder, "_answer", look)
    monkeypatch.setattr(commands, "look_at", beaks.look_at)
    server = Server(house.app)
    with running(server), ThreadPoolExecutor(24) as crowd:
        url = server.url("/api/v1/token")
        photos = [crowd.submit(requests.post, url, data=draw_parrot("x"), headers=PNG, timeout=60) for _ in range(24)]
        eventually(lambda: sum(photo.done() for photo in photos) == 22)
        assert server.answers()
        assert requests.get(server.url("/.well-known/jwks.json"), timeout=30).json()["keys"]
        goes_on.set()
        assert {photo.result().status_code for photo in photos} == {503}
