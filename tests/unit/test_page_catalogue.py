"""The catalogue of pages, by which a browser visits all of them, leaves none out."""

import importlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask

from deploy.settings import SERVICES
from tests.e2e.catalogue import NO_PAGES, PAGES

#: Nobody listens there: nothing is asked of the application but its routes.
NOWHERE = "127.0.0.1:9"


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


def test_each_page_has_a_name_of_its_own() -> None:
    assert [name for name, times in Counter(page.name for page in PAGES).items() if times > 1] == []
