"""The page of one's own tasks, asked for once more: it answers that nothing is new, or with what is."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from chassis.db import utc_now
from chassis.settings import Settings
from tests.integration.tracker_house import House
from tracker_service.app import create_app


@pytest.fixture(scope="module")
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def only_person(house: House) -> UUID:
    """Somebody new, on whom every task falls: everybody else is taken out of the draw."""
    for other in house.roles:
        house.hear_of(other, status="blocked", event="blocked")
    return house.person()


def version(browser: FlaskClient) -> str:
    answer = browser.get("/")
    found = re.search(r'data-version="(\w+)"', answer.text)
    assert found
    assert answer.headers["ETag"] == f'"{found[1]}"'
    return found[1]


def look_again(browser: FlaskClient, known: str) -> int:
    return int(browser.get("/", headers={"If-None-Match": f'"{known}"'}).status_code)


def test_while_nothing_happens_there_is_nothing_to_send(house: House) -> None:
    popug = only_person(house)
    house.api(popug).create()
    browser = house.browser(popug)
    known = version(browser)
    answer = browser.get("/", headers={"If-None-Match": f'"{known}"'})
    assert (answer.status_code, answer.data) == (304, b"")


def task_arrives(house: House, popug: UUID, _task: str) -> None:
    house.api(popug).create("Sing")


def task_goes(house: House, popug: UUID, task: str) -> None:
    house.hear_of(popug, role="manager", event="updated")
    rio = house.person(name="Rio")
    run_id = UUID(house.api(house.person("admin")).post("/reassignments").json["id"])
    list(house.work_through(run_id))
    house.hear_of(popug, event="updated")
    assert house.api(rio).get(f"/tasks/{task}").json["assignee"]["id"] != str(popug)


def task_goes_and_another_comes(house: House, popug: UUID, task: str) -> None:
    task_goes(house, popug, task)
    while house.api(popug).create("Sing")["assignee"]["id"] != str(popug):
        pass


def task_is_priced(house: House, _popug: UUID, task: str) -> None:
    house.price(task)


def task_is_renamed(house: House, popug: UUID, task: str) -> None:
    house.api(popug).patch(f"/tasks/{task}", {"title": "Sing"})


def task_is_completed_elsewhere(house: House, popug: UUID, task: str) -> None:
    house.api(popug).post(f"/tasks/{task}/complete")


def reward_is_posted(house: House, popug: UUID, task: str) -> None:
    house.post(popug, "reward", 3535, task_id=task)


def balance_changes(house: House, popug: UUID, _task: str) -> None:
    house.tell_balance(popug)


def debt_is_carried(house: House, popug: UUID, _task: str) -> None:
    house.carry_debt(popug, -1200, day=house.today() - timedelta(days=1))


def news_are_read(house: House, popug: UUID, _task: str) -> None:
    house.browser(popug).post("/news/read", data={"until": utc_now().isoformat()})


def role_changes(house: House, popug: UUID, _task: str) -> None:
    house.hear_of(popug, role="accountant", event="updated")


def day_ends(house: House, _popug: UUID, _task: str) -> None:
    house.close_day(house.today())


@pytest.mark.parametrize(
    "happens",
    [
        task_arrives,
        task_goes,
        task_goes_and_another_comes,
        task_is_priced,
        task_is_renamed,
        task_is_completed_elsewhere,
        reward_is_posted,
        balance_changes,
        debt_is_carried,
        news_are_read,
        role_changes,
        day_ends,
    ],
)
def test_what_happens_to_ones_own_tasks_and_money_is_seen(
    house: House, happens: Callable[[House, UUID, str], None]
) -> None:
    popug = only_person(house)
    task = house.api(popug).create("Fly")["id"]
    browser = house.browser(popug)
    known = version(browser)
    happens(house, popug, task)
    assert look_again(browser, known) == 200
    assert look_again(browser, version(browser)) == 304


def test_what_happens_to_others_is_not(house: House) -> None:
    popug = only_person(house)
    house.api(popug).create("Fly")
    house.hear_of(popug, role="manager", event="updated")
    rio = house.person(name="Rio")
    task = house.api(rio).create("Sing")["id"]
    house.hear_of(popug, role="popug", event="updated")
    browser = house.browser(popug)
    known = version(browser)
    house.price(task)
    house.post(rio, "fee", -1500, task_id=task)
    house.api(rio).post(f"/tasks/{task}/complete")
    assert look_again(browser, known) == 304


def test_another_process_knows_the_same_version(house: House) -> None:
    popug = only_person(house)
    house.api(popug).create("Fly")
    known = version(house.browser(popug))
    house.app = create_app(house.settings, house.database)
    assert look_again(house.browser(popug), known) == 304


def test_looking_again_leaves_the_cookie_alone_and_keeps_the_message_for_who_made_the_click(house: House) -> None:
    popug = only_person(house)
    browser = house.browser(popug)
    known = version(browser)
    browser.post("/", data={"title": "Fly"})
    seen = browser.get("/?lang=ru", headers={"If-None-Match": f'"{known}"'})
    assert seen.status_code == 200
    assert "Set-Cookie" not in seen.headers
    assert "Created “" in browser.get("/").text


def test_who_is_signed_out_meanwhile_is_led_to_the_sign_in(house: House) -> None:
    popug = only_person(house)
    browser = house.browser(popug)
    known = version(browser)
    house.hear_of(popug, status="blocked", event="blocked")
    assert look_again(browser, known) == 302


def look_at(browser: FlaskClient, path: str, known: str) -> int:
    return int(browser.get(path, headers={"If-None-Match": known}).status_code)


def test_while_nothing_happens_to_the_tasks_of_a_list_there_is_nothing_to_send(house: House) -> None:
    kesha, vera = only_person(house), house.person("manager")
    task = house.api(vera).create("Fly")["id"]
    browser = house.browser(vera)
    for path in ("/tasks?status=open", "/created"):
        known = browser.get(path).headers["ETag"]
        assert look_at(browser, path, known) == 304
        house.api(kesha).patch(f"/tasks/{task}", {"title": "Fly"})
        assert look_at(browser, path, known) == 304


@pytest.mark.parametrize(
    "happens", [task_arrives, task_goes, task_is_priced, task_is_renamed, task_is_completed_elsewhere]
)
@pytest.mark.parametrize("path", ["/tasks", "/tasks?status=open&sort=-fee"])
def test_what_happens_to_the_tasks_of_a_list_is_seen(
    house: House, path: str, happens: Callable[[House, UUID, str], None]
) -> None:
    popug, vera = only_person(house), house.person("manager")
    task = house.api(popug).create("Fly")["id"]
    browser = house.browser(vera)
    known = browser.get(path).headers["ETag"]
    happens(house, popug, task)
    assert look_at(browser, path, known) == 200


def test_an_assignee_who_is_blocked_is_seen_in_a_list(house: House) -> None:
    popug, vera = only_person(house), house.person("manager")
    house.api(popug).create("Fly")
    browser = house.browser(vera)
    known = browser.get("/tasks").headers["ETag"]
    house.hear_of(popug, status="blocked", event="blocked")
    assert look_at(browser, "/tasks", known) == 200


def test_a_filter_that_makes_no_sense_is_not_asked_for_again(house: House) -> None:
    answer = house.browser(house.person("manager")).get("/tasks?from=yesterday")
    assert answer.status_code == 422
    assert "data-live=" not in answer.text


def test_a_manager_sees_on_the_overview_that_tasks_come_and_go(house: House) -> None:
    popug, vera = only_person(house), house.person("manager")
    browser = house.browser(vera)
    known = version(browser)
    assert look_again(browser, known) == 304
    task = house.api(popug).create("Fly")["id"]
    assert look_again(browser, known) == 200
    known = version(browser)
    house.api(popug).post(f"/tasks/{task}/complete")
    assert look_again(browser, known) == 200
