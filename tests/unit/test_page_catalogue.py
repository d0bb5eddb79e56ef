"""The catalogue of pages, by which a browser visits all of them, leaves none out."""

import importlib
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from deploy.settings import SERVICES
from tests.e2e.catalogue import NO_PAGES, PAGES

#: Nobody listens there: nothing is asked of the application but its routes.
NOWHERE = "127.0.0.1:9"

#: Where programs send something.
NO_FORMS = ("/api/", "/oauth/")
#: Buttons, which are always answered with the way to another page.
LEADS_ON = {
    "/users/<uuid:user_id>/block",
    "/users/<uuid:user_id>/unblock",
    "/days/<day:day>/close",
    "/payouts/<uuid:payout_id>/letter",
    "/tasks/<uuid:task_id>/complete",
    "/news/read",
    "/messages/<uuid:letter_id>/replay",
    "/messages/<uuid:letter_id>/discard",
    "/messages/replay",
    "/messages/retry",
    "/messages/replay-gradually",
    "/messages/replay-gradually/stop",
    "/sign-out",
}


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Flask]:
    def make(service: str) -> Flask:
        prefix = service.upper()
        monkeypatch.setenv(f"{prefix}_DATABASE_URL", f"postgresql://nobody@{NOWHERE}/nothing")
        monkeypatch.setenv(f"{prefix}_AMQP_URL", f"amqp://nobody:nothing@{NOWHERE}/none")
        monkeypatch.setenv(f"{prefix}_SECRET_KEY", "a key for the tests alone")
        monkeypatch.setenv("ATES_STATE_DIR", str(tmp_path))
        house = f"{service}_service"
        app: Flask = importlib.import_module(f"{house}.app").create_app(
            importlib.import_module(f"{house}.config").load()
        )
        return app

    return make


@pytest.mark.parametrize("service", SERVICES)
def test_every_page_of_a_service_is_in_the_catalogue(service: str, application: Callable[[str], Flask]) -> None:
    routes = {rule.rule for rule in application(service).url_map.iter_rules() if "GET" in (rule.methods or ())}
    listed = {page.route for page in PAGES if page.service == service}
    folders = tuple(route for route in NO_PAGES if route.endswith("/"))
    missing = {route for route in routes - listed - set(NO_PAGES) if not route.startswith(folders)}
    assert missing == set(), "each is a new line in PAGES of tests/e2e/catalogue.py"
    assert {page.route for page in PAGES if page.service == service and page.status != 404} <= routes


@pytest.mark.parametrize("service", SERVICES)
def test_whatever_a_form_is_answered_with_can_be_opened_once_more(
    service: str, application: Callable[[str], Flask]
) -> None:
    """The links to the other language lead there, and so do "reload" and a second visit."""
    routes: dict[str, set[str]] = defaultdict(set)
    for rule in application(service).url_map.iter_rules():
        routes[rule.rule] |= rule.methods or set()
    forms = {route for route, methods in routes.items() if "POST" in methods and not route.startswith(NO_FORMS)}
    assert {route for route in forms - LEADS_ON if "GET" not in routes[route]} == set()


def test_each_page_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(page.name for page in PAGES).items() if times > 1] == []
