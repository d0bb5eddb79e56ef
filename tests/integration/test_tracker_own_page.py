"""The page that a parrot opens in the morning: what is to do, what it brings, what was done, and what is new."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from chassis.db import utc_now
from chassis.settings import Settings
from tests.integration.tracker_house import House

IN_PLACE = {"HX-Request": "true"}


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def figures(page: str) -> dict[str, str]:
    """What stands in the strip of the day's money, without its markup."""
    found = re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)</dd></div>", page)
    return {label: re.sub("<[^>]*>", "", value) for label, value in found}


def part(page: str, name: str) -> str:
    """The part of the page with this id, down to the next one that is kept up to date."""
    return page.split(f'id="{name}" data-live-part')[1].split("data-live-part")[0]


def reassign_until_somebody_else_has_it(house: House, task_id: str, former: UUID) -> None:
    admin = house.person("admin")
    while any(str(task.public_id) == task_id and task.assignee_id == former for task in house.tasks()):
        list(house.work_through(UUID(house.api(admin).post("/reassignments").json["id"])))


def test_money_is_not_known_before_billing_has_told_of_an_account(house: House) -> None:
    page = house.browser(house.person()).get("/").text
    assert figures(page) == dict.fromkeys(["Balance", "Earned today", "Spent today", "Net today"], "not known yet")


def test_the_strip_has_the_balance_and_what_the_day_has_brought_so_far(house: House) -> None:
    popug = house.person()
    today = house.today()
    house.post(popug, "reward", 4000, day=today - timedelta(days=1))
    house.post(popug, "fee", -1500, task_id=uuid4(), day=today)
    house.post(popug, "reward", 3535, day=today)
    house.tell_balance(popug)
    expected = {"Balance": "$60.35", "Earned today": "$35.35", "Spent today": "$15.00", "Net today": "$20.35"}
    assert figures(house.browser(popug).get("/").text) == expected


def test_a_correction_is_shown_when_there_was_one_and_counts(house: House) -> None:
    popug = house.person()
    house.post(popug, "fee", -1500, task_id=uuid4(), day=house.today())
    house.post(popug, "correction", -500, day=house.today())
    house.tell_balance(popug)
    shown = figures(house.browser(popug).get("/").text)
    assert (shown["Corrections today"], shown["Net today"]) == ("−$5.00", "−$20.00")


def test_after_an_early_close_the_strip_is_of_the_next_day(house: House) -> None:
    popug = house.person()
    today = house.today()
    house.post(popug, "fee", -1500, task_id=uuid4(), day=today)
    house.tell_balance(popug)
    house.close_day(today)
    assert figures(house.browser(popug).get("/").text)["Spent today"] == "$0.00"


def test_what_is_new_comes_to_the_end_and_moves_nothing_that_is_looked_at(house: House) -> None:
    popug = house.person()
    for title in ("First", "Second", "Third"):
        house.api(popug).create(title)
    to_do = part(house.browser(popug).get("/").text, "open-tasks")
    assert re.findall(r"<bdi>(\w+)</bdi></a>", to_do) == ["First", "Second", "Third"]


def test_done_is_answered_in_its_place_with_the_reward(house: House) -> None:
    popug = house.person()
    task_id = house.api(popug).create()["id"]
    house.price(task_id, reward_cents=3535)
    answer = house.browser(popug).post(f"/tasks/{task_id}/complete", headers=IN_PLACE)
    assert answer.status_code == 200
    assert "+$35.35" in answer.text
    assert "<html" not in answer.text


def test_done_before_the_task_is_priced_says_that_the_reward_follows(house: House) -> None:
    popug = house.person()
    task_id = house.api(popug).create()["id"]
    answer = house.browser(popug).post(f"/tasks/{task_id}/complete", headers=IN_PLACE)
    assert "The reward follows" in answer.text


def test_a_click_that_comes_too_late_is_answered_in_its_place_with_one_line(house: House) -> None:
    popug = house.person()
    house.person(name="Rio")
    mine, gone = None, None
    while mine is None or gone is None:
        task = house.api(popug).create("Fly")
        if task["assignee"]["id"] == str(popug):
            mine, gone = gone, task["id"]
    browser = house.browser(popug)
    browser.post(f"/tasks/{mine}/complete")
    again = browser.post(f"/tasks/{mine}/complete", headers=IN_PLACE)
    assert (again.status_code, again.text.count("<p")) == (409, 1)
    assert "completed already" in again.text

    reassign_until_somebody_else_has_it(house, gone, popug)
    lost = browser.post(f"/tasks/{gone}/complete", headers=IN_PLACE)
    assert (lost.status_code, lost.text.count("<p")) == (409, 1)
    assert "Rio has it now." in lost.text


def test_who_was_blocked_meanwhile_is_told_so_in_the_row(house: House) -> None:
    popug = house.person()
    browser = house.browser(popug)
    task_id = house.api(popug).create()["id"]
    house.hear_of(popug, status="blocked", event="blocked")
    answer = browser.post(f"/tasks/{task_id}/complete", headers=IN_PLACE)
    assert answer.status_code == 401
    assert answer.text.count("<p") == 1
    assert house.tasks()[0].status == "open"
    assert browser.post(f"/tasks/{task_id}/complete").location.startswith("/sign-in")


def test_without_javascript_one_comes_back_to_the_same_place_and_is_told_the_same(house: House) -> None:
    popug = house.person()
    ids = [house.api(popug).create(f"Task {number}")["id"] for number in range(4)]
    house.price(ids[1], reward_cents=3535)
    browser = house.browser(popug)
    page = browser.get("/?limit=3").text
    (form,) = re.findall(rf'<form method="post" action="/tasks/{ids[1]}/complete".*?</form>', page, re.DOTALL)
    sent = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    answer = browser.post(f"/tasks/{ids[1]}/complete", data=sent)
    assert (answer.status_code, answer.location) == (303, f"/#task-{ids[2]}")
    landed = browser.get("/").text
    assert f'id="task-{ids[2]}"' in landed
    assert re.findall(r'class="notice message" role="status">(.*?)</p>', landed) == ["Done: “Task 1”, +$35.35."]


def test_what_is_done_stands_by_business_day_with_what_the_day_has_earned(house: House) -> None:
    popug = house.person()
    today = house.today()
    for day, cents in ((today - timedelta(days=1), 2100), (today, 3000), (today, 3535)):
        task_id = house.api(popug).create()["id"]
        house.api(popug).post(f"/tasks/{task_id}/complete")
        house.post(popug, "reward", cents, task_id=task_id, day=day)
    done = part(house.browser(popug).get("/").text, "done-tasks")
    assert re.findall(r'id="day-([\d-]+)"', done) == [str(today), str(today - timedelta(days=1))]
    assert re.findall(r"earned (\+[$\d.]+)", done) == ["+$65.35", "+$21.00"]
    assert re.findall(r'<span class="money">(\+[$\d.]+)</span>', done) == ["+$35.35", "+$30.00", "+$21.00"]


def test_a_reward_that_billing_has_not_posted_yet_is_not_claimed(house: House) -> None:
    popug = house.person()
    task_id = house.api(popug).create()["id"]
    house.price(task_id)
    house.api(popug).post(f"/tasks/{task_id}/complete")
    done = part(house.browser(popug).get("/").text, "done-tasks")
    assert "not posted yet" in done
    assert f'id="day-{house.today()}"' in done


def test_managers_who_are_never_assigned_find_the_whole_in_the_place_of_own_tasks(house: House) -> None:
    page = house.browser(house.person("manager")).get("/").text
    assert "Balance" not in page
    assert ">Open tasks<" not in page
    assert "All open tasks" in page


def test_the_form_for_a_new_task_is_open_when_it_comes_back_with_faults_and_only_then(house: House) -> None:
    browser = house.browser(house.person())
    box = re.compile(r'<details class="drop" name="drop" id="new-task-box"( open)?>')
    fresh, refused = browser.get("/").text, browser.post("/", data={"title": "[x]"}).text
    assert [bool(found[1]) for page in (fresh, refused) if (found := box.search(page))] == [False, True]


def test_the_page_asks_the_database_no_more_often_for_many_tasks_than_for_few(house: House) -> None:
    popug = house.person()
    browser = house.browser(popug)

    def do(tasks: int) -> None:
        for _ in range(2 * tasks):
            task_id = house.api(popug).create()["id"]
            house.price(task_id)
        for task in house.tasks()[-tasks:]:
            house.api(popug).post(f"/tasks/{task.public_id}/complete")
            house.post(popug, "reward", 2000, task_id=task.public_id, day=house.today())

    do(1)
    few = statements(house, lambda: browser.get("/"))
    do(20)
    assert statements(house, lambda: browser.get("/")) == few
    assert few <= 12


def statements(house: House, ask: Callable[[], object]) -> int:
    """How many statements a request puts to the database."""
    asked: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        asked.append(statement)

    event.listen(house.database.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(house.database.engine, "before_cursor_execute", note)
    return len(asked)


class TestNews:
    """What is new is told until one says that one has read it."""

    def read(self, browser: FlaskClient) -> None:
        until = re.search(r'name="until" value="([^"]+)"', browser.get("/").text)
        assert until
        assert browser.post("/news/read", data={"until": until[1]}).status_code == 303

    def told(self, browser: FlaskClient) -> str:
        return part(browser.get("/").text, "news")

    def test_a_task_came_money_came_and_a_debt_was_carried(self, house: House) -> None:
        popug = house.person()
        house.api(popug).create("Fly")
        house.post(popug, "reward", 3535)
        house.post(popug, "payout", -2000)
        house.carry_debt(popug, -1200, day=house.today() - timedelta(days=1))
        told = self.told(house.browser(popug))
        assert '<span class="badge good">4</span>' in told
        assert "1 task has come:" in told
        assert "<bdi>Fly</bdi>" in told
        assert "+$35.35" in told
        assert "$20.00" in told
        assert "−$12.00" in told

    def test_what_is_read_is_read_in_every_tab_and_browser(self, house: House) -> None:
        popug = house.person()
        house.api(popug).create("Fly")
        self.read(house.browser(popug))
        assert "Nothing new." in self.told(house.browser(popug))
        house.api(popug).create("Sing")
        told = self.told(house.browser(popug))
        assert "Sing" in told
        assert "Fly" not in told

    def test_an_older_tab_takes_nothing_back_and_no_tab_reads_the_future(self, house: House) -> None:
        popug = house.person()
        browser = house.browser(popug)
        house.api(popug).create("Fly")
        for until in (utc_now(), utc_now() - timedelta(days=3)):
            browser.post("/news/read", data={"until": until.isoformat()})
        assert "Nothing new." in self.told(browser)
        browser.post("/news/read", data={"until": (utc_now() + timedelta(days=900)).isoformat()})
        house.api(popug).create("Sing")
        assert "Sing" in self.told(browser)

    def test_a_moment_that_no_page_ever_showed_breaks_no_page(self, house: House) -> None:
        popug = house.person()
        browser = house.browser(popug)
        house.api(popug).create("Fly")
        for until in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
            assert browser.post("/news/read", data={"until": until}).status_code in (303, 422)
            assert browser.get("/").status_code == 200

    def test_a_task_that_went_again_is_no_news_and_nobody_hears_of_others(self, house: House) -> None:
        popug = house.person()
        task_id = house.api(popug).create("Fly")["id"]
        rio = house.person(name="Rio")
        reassign_until_somebody_else_has_it(house, task_id, popug)
        assert "Nothing new." in self.told(house.browser(popug))
        assert "Fly" in self.told(house.browser(rio))

    def test_what_is_older_than_a_week_is_no_news(self, house: House) -> None:
        popug = house.person()
        house.carry_debt(popug, -1200, day=house.today())
        with house.database.transaction() as session:
            session.connection().exec_driver_sql("UPDATE carried_debts SET carried_at = carried_at - interval '8 days'")
        assert "Nothing new." in self.told(house.browser(popug))

    def test_a_moment_that_is_none_is_refused(self, house: House) -> None:
        assert house.browser(house.person()).post("/news/read", data={"until": "soon"}).status_code == 422
