"""The bar at the top of every page: the services, and below them the places of the one that is shown."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from flask import render_template
from flask.testing import FlaskClient

from chassis.people import Role
from chassis.places import Place
from tests.chassis_parts import People, demo_app, settings

HOME = "http://127.0.0.1:8001/"
PLACES = (
    Place("Mine", "demo.page", also=("demo.part",)),
    Place("Everybody", "demo.everybody", (Role.MANAGER, Role.ADMIN)),
    Place("Log", "demo.log"),
)


@pytest.fixture
def people() -> People:
    return People()


def tracker_with(places: Sequence[Place], people: People, folder: Path) -> FlaskClient:
    app = demo_app(settings(folder, ATES_URL_AUTH=HOME), people, places=places)
    for view in ("page", "part", "everybody", "log"):
        app.add_url_rule(f"/{view}", f"demo.{view}", lambda: render_template("layout.html"))
    return app.test_client()


@pytest.fixture
def client(people: People, tmp_path: Path) -> FlaskClient:
    client = tracker_with(PLACES, people, tmp_path)
    client.get("/enter")
    return client


def links(client: FlaskClient, path: str, label: str) -> list[tuple[str, bool]]:
    """The texts of a row of links, and whether each is marked as the one that is shown."""
    rows = re.findall(rf'<nav[^>]* aria-label="{label}">(.*?)</nav>', client.get(path).text, re.DOTALL)
    found = re.findall(r"<a ([^>]*)>([^<]*?)\s*(?:<span.*?</span>)?</a>", "".join(rows))
    return [(text, 'aria-current="page"' in attributes) for attributes, text in found]


def test_the_service_that_is_shown_is_marked(client: FlaskClient) -> None:
    assert links(client, "/page", "Services") == [("Tasks", True), ("Accounts", False)]


def test_the_brand_leads_home_from_every_service(client: FlaskClient) -> None:
    assert f'<a class="brand" href="{HOME}"' in client.get("/page").text


def test_a_place_is_marked_on_its_page_and_on_those_that_belong_to_it(client: FlaskClient) -> None:
    assert links(client, "/page", "Places") == [("Mine", True), ("Log", False)]
    assert links(client, "/part", "Places") == [("Mine", True), ("Log", False)]
    assert links(client, "/log", "Places") == [("Mine", False), ("Log", True)]


def test_a_place_is_shown_to_its_roles(client: FlaskClient, people: People) -> None:
    people.know(role="manager")
    assert [text for text, _ in links(client, "/log", "Places")] == ["Mine", "Everybody", "Log"]


def test_a_single_place_makes_no_row(people: People, tmp_path: Path) -> None:
    client = tracker_with(PLACES[:2], people, tmp_path)
    client.get("/enter")
    assert 'aria-label="Places"' not in client.get("/page").text


def test_the_pages_about_messages_lead_to_those_of_each_service(client: FlaskClient, people: People) -> None:
    people.know(role="admin")
    rows = links(client, "/messages/nowhere", "Places")
    services = [("Users", False), ("Tasks", True), ("Accounts", False), ("Analytics", False)]
    assert rows == [("Overview", False), ("Events", False), ("Timelines", False), *services]
    assert ("Operations", True) in links(client, "/messages/nowhere", "Services")


def test_who_is_not_signed_in_finds_no_links(people: People, tmp_path: Path) -> None:
    assert "<nav" not in tracker_with(PLACES, people, tmp_path).get("/page").text
