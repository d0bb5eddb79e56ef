"""The pages of auth on a real database."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
import time_machine
from flask.testing import FlaskClient

from auth_service.demo.parrot import draw_parrot
from auth_service.demo.people import PEOPLE
from auth_service.demo.seed import seed
from chassis.db import utc_now
from tests.integration.auth_house import House

#: Where a service sends a browser that has to sign in.
AUTHORIZE = "/oauth/authorize?" + urlencode(
    {
        "response_type": "code",
        "client_id": "tracker",
        "redirect_uri": "http://127.0.0.1:8002/sign-in/callback",
        "code_challenge": "c" * 43,
        "code_challenge_method": "S256",
    }
)


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("auth", ATES_DEMO="1"))
    yield house
    house.close()


def photo(key: str) -> tuple[BytesIO, str, str]:
    """A file field with the photo of this parrot."""
    return BytesIO(draw_parrot(key)), "beak.png", "image/png"


def flashed(client: FlaskClient, path: str) -> str:
    """The page after a redirect, with the notice that was left for it."""
    text: str = client.get(path).text
    return text


def test_a_chosen_photo_signs_in(house: House) -> None:
    house.person("kesha", name="Кеша")
    assert "Кеша" in house.browser("kesha").get("/").text


def test_the_photo_just_taken_by_a_telephone_serves_as_well(house: House) -> None:
    taken = {"photo": (BytesIO(), "", "application/octet-stream"), "camera": photo("root")}
    assert house.browser(None).post("/sign-in", data=taken).status_code == 303


@pytest.mark.parametrize(
    ("form", "status", "reason"),
    [
        ({}, 422, "Choose a photo first"),
        ({"parrot": "nobody"}, 422, "Choose a photo first"),
        ({"parrot": "../beaks/kesha"}, 422, "Choose a photo first"),
        ({"photo": (BytesIO(b"text"), "x.png", "image/png")}, 422, "not a picture"),
        ({"photo": (BytesIO(b"GIF89a"), "x.gif", "image/gif")}, 415, "Only PNG and JPEG"),
        ({"photo": (BytesIO(draw_parrot("stranger")), "x.png", "image/png")}, 401, "Nobody here has a beak like this"),
    ],
)
def test_a_refusal_says_why_and_lets_one_try_again(
    house: House, form: dict[str, Any], status: int, reason: str
) -> None:
    answer = house.browser(None).post("/sign-in", data={**form, "next": "/users"})
    assert answer.status_code == status
    assert reason in answer.text
    assert '<input type="hidden" name="next" value="/users">' in answer.text


def test_who_is_blocked_is_told_so_at_the_door(house: House) -> None:
    kesha = house.person("kesha")
    browser = house.browser("kesha")
    house.api().post(f"/users/{kesha}/block")
    assert browser.get("/").location.startswith("/sign-in")
    answer = house.browser(None).post("/sign-in", data={"photo": photo("kesha")})
    assert answer.status_code == 401
    assert "You were blocked" in answer.text


def test_who_is_blocked_in_mid_session_is_told_so_once(house: House) -> None:
    kesha = house.person("kesha")
    browser = house.browser("kesha")
    house.api().post(f"/users/{kesha}/block")
    assert browser.get(AUTHORIZE).location.startswith("/sign-in")  # as a service sends them when they click there
    assert browser.get("/sign-in").text.count("You were blocked: only an administrator can unblock you.") == 1
    assert "blocked" not in browser.get("/sign-in").text


def test_whose_session_ended_elsewhere_is_told_so_once(house: House) -> None:
    browser = house.browser("root")
    elsewhere = house.copy_of(browser)
    elsewhere.post("/sign-out")
    assert browser.get("/").location.startswith("/sign-in")
    page = browser.get("/sign-in").text
    assert page.count("Your session has ended: you signed out elsewhere, or twelve hours have passed.") == 1
    assert "blocked" not in page
    assert "has ended" not in browser.get("/sign-in").text


def test_who_signed_out_is_not_told_so_twice(house: House) -> None:
    browser = house.browser("root")
    browser.post("/sign-out")
    page = browser.get("/sign-in").text
    assert page.count('class="notice') == 1
    assert "has ended" not in page


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_to_a_foreign_place_after_the_sign_in(house: House, back: str) -> None:
    answer = house.browser(None).post("/sign-in", data={"photo": photo("root"), "next": back})
    assert answer.location == "/"
    assert house.browser("root").get("/sign-in", query_string={"next": back}).location == "/"


def test_a_click_on_a_demo_parrot_holds_up_its_photo(house: House) -> None:
    people = seed(house.settings, house.database)
    parrots = re.findall(r'name="parrot" value="([^"]+)"', house.browser(None).get("/sign-in").text)
    assert len(parrots) == len(people)
    signed_in = set()
    for parrot in parrots[:3]:
        visitor = house.browser(None)
        assert visitor.post("/sign-in", data={"parrot": parrot}).status_code == 303
        signed_in |= {name for person in people if (name := person["name"]) in visitor.get("/").text}
    assert len(signed_in) == 3


def test_the_pictures_of_the_demo_parrots_are_kept_by_the_browser(house: House) -> None:
    seed(house.settings, house.database)
    browser = house.browser(None)
    pictures = re.findall(r'<img src="(/sign-in/parrots/[^"]+)"', browser.get("/sign-in").text)
    assert len(pictures) == len(PEOPLE)
    with browser.get(pictures[0]) as picture:
        assert (picture.status_code, picture.mimetype) == (200, "image/webp")
        assert "max-age=31536000" in picture.headers["Cache-Control"]
    for nobody in ("nobody", "%00", "..%2F..%2Fnobody", "n" * 1_000):
        assert browser.get(f"/sign-in/parrots/{nobody}.webp").status_code == 404


def test_the_sign_in_page_comes_in_less_than_60_kilobytes(house: House) -> None:
    seed(house.settings, house.database)
    browser = house.browser(None)
    page = browser.get("/sign-in")
    sizes = {"/sign-in": len(page.data) + len(str(page.headers))}
    for file in set(re.findall(r'(?:src|href)="(/[^"]+\.(?:css|js|svg|webp)[^"]*)"', page.text)):
        with browser.get(file, headers={"Accept-Encoding": "gzip"}) as answer:
            sizes[file] = len(answer.data) + len(str(answer.headers))
    assert len(sizes) > len(PEOPLE) + 3
    assert sum(sizes.values()) < 60_000, sizes


def test_without_the_demo_nobody_is_shown_at_the_door(migrated: Callable[..., Any]) -> None:
    house = House(migrated("auth", ATES_DEMO="0"))
    seed(house.settings, house.database)
    text = house.browser(None).get("/sign-in").text
    assert PEOPLE[0].name not in text
    assert "parrot" not in re.findall(r'name="([^"]+)"', text)
    assert house.browser(None).post("/sign-in", data={"parrot": PEOPLE[0].key}).status_code == 422
    assert house.browser(None).get(f"/sign-in/parrots/{PEOPLE[0].key}.webp").status_code == 404
    house.close()


def test_signing_out_ends_the_session_and_is_announced(house: House) -> None:
    browser = house.browser("root")
    assert browser.post("/sign-out").location == "/sign-in"
    assert "You are signed out" in browser.get("/sign-in").text
    assert browser.get("/").location.startswith("/sign-in")
    signed_in, signed_out = house.published("user_signed_in")[-1], house.published("user_signed_out")[-1]
    assert signed_in.subject == signed_out.subject
    assert signed_out.sequence == 2


def test_a_cookie_that_was_copied_before_the_sign_out_is_worth_nothing_after_it(house: House) -> None:
    browser = house.browser("root")
    copied = house.copy_of(browser)
    assert copied.get("/users").status_code == 200
    browser.post("/sign-out")
    form = {"name": "Mallory", "email": "mallory@evil.example", "role": "admin"}
    assert copied.post("/users", data=form).location.startswith("/sign-in")
    assert "Mallory" not in house.browser("root").get("/users").text
    assert len(house.published("user_registered")) == 1


def test_a_session_ends_after_twelve_hours(house: House) -> None:
    browser = house.browser("root")
    with time_machine.travel(utc_now() + timedelta(hours=11, minutes=59)):
        assert browser.get("/").status_code == 200
    with time_machine.travel(utc_now() + timedelta(hours=12)):
        assert browser.get("/").location.startswith("/sign-in")


def test_three_tabs_in_which_the_sign_in_page_was_opened_at_once_all_sign_in(house: House) -> None:
    """Each page came with a cookie, and the browser has kept the last one."""
    house.app.config["WTF_CSRF_ENABLED"] = True
    pages = [house.app.test_client().get("/sign-in").text for _ in range(2)]
    browser = house.browser(None)
    pages.append(browser.get("/sign-in").text)
    for page in pages:
        form = {"csrf_token": re.findall(r'name="csrf_token" value="([^"]+)"', page)[0], "photo": photo("root")}
        answer = browser.post("/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"})
        assert answer.status_code == 303
    assert browser.get("/").status_code == 200


@pytest.mark.parametrize("site", ["same-site", "cross-site", "none"])
def test_a_form_of_a_page_elsewhere_is_refused(house: House, site: str) -> None:
    browser = house.browser("root")
    house.app.config["WTF_CSRF_ENABLED"] = True
    assert browser.post(f"/users/{house.root}/block", headers={"Sec-Fetch-Site": site}).status_code == 400


def test_only_our_own_pages_sign_people_out_without_asking(house: House) -> None:
    browser = house.browser("root")
    asked = browser.get("/sign-out", headers={"Sec-Fetch-Site": "cross-site"})
    assert asked.status_code == 200
    assert browser.get("/").status_code == 200
    assert browser.get("/sign-out", headers={"Sec-Fetch-Site": "same-site"}).location == "/sign-in"
    assert browser.get("/").status_code == 302


def test_an_administrator_registers_somebody_with_the_beak(house: House) -> None:
    browser = house.browser("root")
    form = {"name": "Кеша", "email": "kesha@uberpopug.example", "role": "popug", "photo": photo("kesha")}
    created = browser.post("/users", data=form)
    assert created.status_code == 303
    assert "A beak is enrolled" in flashed(browser, created.location)
    assert house.show_beak("kesha").status_code == 200


def test_a_registration_with_a_useless_photo_registers_nobody(house: House) -> None:
    browser = house.browser("root")
    form = {"name": "Кеша", "email": "kesha@uberpopug.example", "role": "boss", "photo": photo("root")}
    answer = browser.post("/users", data=form)
    assert answer.status_code == 409
    assert "Somebody else has a beak like this" in answer.text
    assert 'value="Кеша"' in answer.text
    assert "Кеша" not in browser.get("/users").text
    assert len(house.published("user_registered")) == 1


def test_an_administrator_changes_blocks_and_lets_in_again(house: House) -> None:
    kesha = house.person("kesha")
    browser = house.browser("root")
    page = f"/users/{kesha}"
    saved = browser.post(page, data={"name": "Кеша", "email": "k@uberpopug.example", "role": "boss"})
    assert "Saved." in flashed(browser, saved.location)
    refused = browser.post(page, data={"name": "", "email": "nonsense", "role": "boss"})
    assert refused.status_code == 422
    assert "A user needs a name." in refused.text
    assert "Not a valid email address." in refused.text
    assert house.user(kesha).name == "Кеша"
    assert "is blocked" in flashed(browser, browser.post(f"{page}/block").location)
    assert "Unblock" in browser.get(page).text
    assert "is unblocked" in flashed(browser, browser.post(f"{page}/unblock").location)
    assert "opens the door" in flashed(browser, browser.post(f"{page}/beak", data={"photo": photo("new")}).location)
    assert house.show_beak("new").json["user"]["name"] == "Кеша"
    assert browser.post(f"{page}/beak").status_code == 422


def test_the_last_administrator_cannot_be_blocked_by_page_either(house: House) -> None:
    browser = house.browser("root")
    assert "last active administrator" in flashed(browser, browser.post(f"/users/{house.root}/block").location)
    answer = browser.post(f"/users/{house.root}", data={"name": "r", "email": "r@b.example", "role": "popug"})
    assert answer.status_code == 409
    assert "last active administrator" in answer.text


def test_users_are_filtered_and_sign_ins_are_shown(house: House) -> None:
    house.person("kesha", name="Иннокентий")
    browser = house.browser("root")
    assert "Иннокентий" in browser.get("/users?role=popug").text
    assert "Иннокентий" not in browser.get("/users?role=boss").text
    assert "No such users" in browser.get("/users?status=blocked").text
    assert "root" in browser.get("/sign-ins").text


def test_management_pages_are_for_administrators(house: House) -> None:
    kesha = house.person("kesha")
    browser = house.browser("kesha")
    for path in ("/users", "/users/new", f"/users/{kesha}", "/sign-ins"):
        assert browser.get(path).status_code == 403
    assert browser.post(f"/users/{kesha}/block").status_code == 403
    assert browser.post("/users", data={"name": "x", "email": "x@y.example", "role": "admin"}).status_code == 403


def test_forms_without_their_token_are_refused(house: House) -> None:
    house.app.config["WTF_CSRF_ENABLED"] = True
    assert house.app.test_client().post("/sign-in", data={"photo": photo("root")}).status_code == 400
