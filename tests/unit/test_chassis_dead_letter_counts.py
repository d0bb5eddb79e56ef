"""The number of dead letters over all services, as the pages of administrators show it."""

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.serving import make_server

from chassis import neighbours
from chassis.dead_letter_counts import COUNT_PATH, DeadLetterCounts
from deploy.ports import LOOPBACK, pick_free
from tests.chassis_parts import People, demo_app, settings
from tests.waiting import eventually

ask_service = neighbours.ask_service  # as it is without the tests' own


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Services:
    """Four services that can be asked."""

    def __init__(self) -> None:
        self.says: dict[str, Any] = {"auth": 0, "tracker": 2, "billing": 1, "analytics": 0}
        self.asked: list[str] = []
        self.clock = Clock()
        self.thaw = threading.Event()
        self.counts = DeadLetterCounts({name: self._asker(name) for name in self.says}, clock=self.clock)

    def _asker(self, name: str) -> Callable[[], int]:
        def ask() -> int:
            self.asked.append(name)
            if self.says[name] == "frozen":
                self.thaw.wait(30)
                raise TimeoutError
            if self.says[name] == "away":
                raise ConnectionError
            return int(self.says[name])

        return ask


@pytest.fixture
def services() -> Iterator[Services]:
    services = Services()
    yield services
    services.thaw.set()


def test_every_service_is_asked_once_in_a_while_and_only_while_somebody_looks(services: Services) -> None:
    for _ in range(3):
        assert services.counts.latest() == {"auth": 0, "tracker": 2, "billing": 1, "analytics": 0}
    assert sorted(services.asked) == ["analytics", "auth", "billing", "tracker"]
    services.says["tracker"] = 0
    services.clock.now += 6
    services.counts.latest()
    eventually(lambda: services.counts.latest()["tracker"] == 0)
    eventually(lambda: len(services.asked) == 8)


def test_a_number_of_long_ago_is_not_shown(services: Services) -> None:
    services.counts.latest()
    services.says["tracker"] = 5
    services.clock.now += 60
    assert services.counts.latest()["tracker"] == 5


def test_a_service_that_is_away_has_no_number(services: Services) -> None:
    services.counts.latest()
    services.says["billing"] = "away"
    services.clock.now += 6
    services.counts.latest()
    eventually(lambda: services.counts.latest()["billing"] is None)
    assert services.counts.latest()["tracker"] == 2


def test_a_frozen_service_is_waited_for_once_and_then_by_nobody(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    timeouts: list[float] = []

    def wait_and_note(futures: Any, timeout: float) -> Any:
        timeouts.append(timeout)
        return wait(futures, timeout)

    monkeypatch.setattr(neighbours, "_PATIENCE", 0.25)
    monkeypatch.setattr(neighbours, "wait", wait_and_note)
    services.says["auth"] = "frozen"
    services.counts.latest()
    services.clock.now += 1
    expected = {"auth": None, "tracker": 2, "billing": 1, "analytics": 0}
    eventually(lambda: services.counts.latest() == expected)
    assert timeouts[0] == pytest.approx(0.25)
    assert set(timeouts[1:]) == {0}
    assert services.asked.count("auth") == 1


@pytest.fixture
def app(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Flask:
    """A tracker whose admin Kesha is."""
    monkeypatch.setattr("chassis.web.dead_letter_counts", lambda _settings, _database: services.counts)
    people = People()
    people.know(role="admin")
    return demo_app(settings(tmp_path), people)


CONSOLE = "http://127.0.0.1:1/operations"


def bar(app: Flask, **query: str) -> str:
    client = app.test_client()
    client.get("/enter")
    links = client.get("/nowhere", query_string=query).text.split("<nav")[1].split("</nav>")[0]
    return re.sub(' data-key="[^"]*"', "", links)


def test_the_bar_of_an_administrator_counts_over_all_services(app: Flask) -> None:
    link = re.search(
        r'<a href="([^"]*)" class="urgent" title="([^"]*)">Operations <span[^>]*>(.*?)</span></a>', bar(app)
    )
    assert link
    assert link.groups() == (CONSOLE, "3 dead letters: Tasks 2, Accounts 1", "3")
    assert "3 мёртвых письма: Задачи 2, Счета 1" in bar(app, lang="ru")


def test_while_auth_does_not_answer_the_bar_leads_to_the_messages_of_the_service(
    app: Flask, services: Services
) -> None:
    services.says["auth"] = "away"
    assert '<a href="/messages" class="urgent"' in bar(app)


def test_without_dead_letters_there_is_no_badge(app: Flask, services: Services) -> None:
    services.says = dict.fromkeys(services.says, 0)
    assert f'<a href="{CONSOLE}">Operations</a>' in bar(app)


def test_a_service_that_does_not_answer_is_named(app: Flask, services: Services) -> None:
    services.says |= {"billing": "away", "auth": "away"}
    link = re.search(r'title="(.*?)">Operations <span.*?>(.*?)</span>', bar(app))
    assert link
    assert link.groups() == ("2 dead letters: Tasks 2. No answer from: Users, Accounts", "2?")
    services.says = dict.fromkeys(services.says, "away")
    services.clock.now += 60
    link = re.search(r'title="(.*?)">Operations <span.*?>(.*?)</span>', bar(app))
    assert link
    assert link.groups() == ("No answer from: Users, Tasks, Accounts, Analytics", "?")


def test_nobody_else_sees_it_and_nobody_is_asked(app: Flask, services: Services, tmp_path: Path) -> None:
    people = People()
    people.know(role="manager")
    assert "badge" not in bar(demo_app(settings(tmp_path), people))
    assert services.asked == []


def test_a_service_is_asked_over_the_network(tmp_path: Path) -> None:
    (port,) = pick_free(1)
    server = make_server(LOOPBACK, port, _counting(7))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        assert ask_service(f"http://{LOOPBACK}:{port}{COUNT_PATH}") == {"open": 7}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _counting(count: int) -> Flask:
    application = Flask(__name__)
    application.add_url_rule(COUNT_PATH, view_func=lambda: {"open": count})
    return application
