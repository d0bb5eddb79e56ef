"""One's own tasks in a real browser: what came of "Done" stays in its place, and what happens elsewhere appears."""

from collections.abc import Callable, Iterator
from threading import Thread
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from chassis.settings import Settings
from chassis.signin import session_cookie
from tests.chassis_parts import page_session
from tests.e2e.browsing import PATIENCE_MS, chromium
from tests.integration import webserver_house
from tests.integration.tracker_house import House

DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as browser:
        yield browser


class Desk:
    """A tracker that is served, and one parrot on whom every task falls until others are hired."""

    def __init__(self, settings: Settings, browser: Browser) -> None:
        self.house = House(settings)
        self.server = webserver_house.House(self.house.app)
        self.popug = self.house.person(name="Kesha")
        self.serving: Thread
        self._browser = browser
        #: Requests that looked whether anything is new, and those of them that are answered or given up.
        self.looks = 0
        self.looked = 0

    def page(self, size: dict[str, int] = DESK, *, user_id: UUID | None = None, language: str = "en-US") -> Page:
        """Their page, open."""
        context = self._browser.new_context(viewport=size, locale=language)  # type: ignore[arg-type]
        context.set_default_timeout(PATIENCE_MS)
        app = self.house.app
        serializer = app.session_interface.get_signing_serializer(app)  # type: ignore[attr-defined]
        user_id = user_id or self.popug
        session = page_session(user_id, role=self.house.roles[user_id])
        name, value = session_cookie("tracker"), serializer.dumps({**session, "_permanent": True})
        context.add_cookies([{"name": name, "value": value, "url": self.server.url("/")}])
        page = context.new_page()
        page.on("request", self._begun)
        page.on("requestfinished", self._ended)
        page.on("requestfailed", self._ended)
        return page

    def open(self, size: dict[str, int] = DESK) -> Page:
        page = self.page(size)
        page.goto(self.server.url("/"))
        return page

    def have_tasks(self, count: int) -> list[str]:
        """Give the parrot so many priced tasks with charges; return their ids."""
        house = self.house
        made = []
        for number in range(count):
            task_id = str(house.api(self.popug).create(f"Task {number}")["id"])
            house.price(task_id)
            house.post(self.popug, "fee", -1500, task_id=task_id, day=house.today())
            made.append(task_id)
        house.tell_balance(self.popug)
        return made

    def pass_time(self, page: Page, seconds: int) -> int:
        """Let the page's clock go on second by second; return how often it looked whether anything is new."""
        before = self.looks
        for _ in range(seconds):
            page.clock.run_for(1000)
            while self.looked < self.looks:
                page.wait_for_timeout(5)
        return self.looks - before

    def _begun(self, request: Request) -> None:
        self.looks += "if-none-match" in request.headers

    def _ended(self, request: Request) -> None:
        self.looked += "if-none-match" in request.headers


@pytest.fixture
def desk(migrated: Callable[..., Settings], browser: Browser) -> Iterator[Desk]:
    made = Desk(migrated("tracker"), browser)
    with webserver_house.running(made.server) as made.serving:
        yield made
    for context in browser.contexts:
        context.close()
    made.house.close()


def focused(page: Page) -> str:
    """Where the focus is: the id of its row, or of the element itself."""
    return str(page.evaluate("(document.activeElement.closest('tr') ?? document.activeElement).id"))


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
@pytest.mark.parametrize("language", ["en-US", "ru-RU"])
def test_the_first_done_is_in_sight(desk: Desk, size: dict[str, int], language: str) -> None:
    desk.have_tasks(3)
    page = desk.page(size, language=language)
    page.goto(desk.server.url("/"))
    place = page.locator("#open-list button").first.bounding_box()
    assert place
    assert place["y"] + place["height"] < size["height"]
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_done_adds_the_reward_in_its_row_and_keeps_the_place_and_goes_on_to_the_next(
    desk: Desk, size: dict[str, int]
) -> None:
    tasks = desk.have_tasks(12)
    page = desk.open(size)
    row = page.locator(f"#task-{tasks[7]}")
    row.get_by_role("button").focus()
    row.scroll_into_view_if_needed()
    top, place = page.evaluate("scrollY"), row.bounding_box()
    page.keyboard.press("Enter")
    expect(row.locator(".outcome")).to_have_text("Done: +$35.35")
    assert focused(page) == f"task-{tasks[8]}"
    desk.house.post(desk.popug, "reward", 3535, task_id=tasks[7], day=desk.house.today())
    desk.house.tell_balance(desk.popug)
    expect(page.locator("#money-today")).to_contain_text("$35.35")
    expect(page.locator("#own-count")).to_have_text("11 open tasks")
    expect(page.locator(f"#done-{tasks[7]}")).to_contain_text("+$35.35")
    assert (page.evaluate("scrollY"), row.bounding_box()) == (top, place)
    assert focused(page) == f"task-{tasks[8]}"
    page.reload()
    expect(row).to_have_count(0)


def test_the_last_done_leaves_the_focus_at_the_list(desk: Desk) -> None:
    (task,) = desk.have_tasks(1)
    page = desk.open()
    page.locator(f"#task-{task}").get_by_role("button").press("Enter")
    expect(page.locator("#nothing-open")).to_be_visible()
    expect(page.locator(f"#task-{task} .outcome")).to_have_text("Done: +$35.35")
    assert focused(page) == "open"


def test_a_task_that_somebody_else_has_meanwhile_says_so_in_its_row_and_stays(desk: Desk) -> None:
    tasks = desk.have_tasks(3)
    page = desk.open()
    page.route("**/*", lambda route: route.abort() if "if-none-match" in route.request.headers else route.continue_())
    rio = hand_over(desk, tasks)
    row = page.locator(f"#task-{tasks[1]}")
    row.get_by_role("button").press("Enter")
    expect(row.locator(".outcome")).to_have_text("“Task 1” was reassigned: Rio has it now.")
    expect(page).to_have_url(desk.server.url("/"))
    assert focused(page) == f"task-{tasks[2]}"
    assert all(task.assignee_id == rio and task.status == "open" for task in desk.house.tasks())


def test_a_task_that_goes_while_one_looks_says_so_and_moves_nothing(desk: Desk) -> None:
    tasks = desk.have_tasks(3)
    page = desk.open()
    page.locator(f"#task-{tasks[0]}").get_by_role("button").focus()
    hand_over(desk, tasks)
    expect(page.locator("#own-count")).to_have_text("0 open tasks")
    expect(page.locator("#open-list .outcome")).to_have_text(["You do not have this task any more."] * 3)
    assert focused(page) == "open"


def hand_over(desk: Desk, tasks: list[str]) -> UUID:
    """Give all tasks to somebody who is hired while their parrot is a manager for a moment."""
    house = desk.house
    house.hear_of(desk.popug, role="manager", event="updated")
    rio = house.person(name="Rio")
    run_id = UUID(house.api(house.person("admin")).post("/reassignments").json["id"])
    list(house.work_through(run_id))
    house.hear_of(desk.popug, event="updated")
    assert {task.assignee_id for task in house.tasks()} == {rio}
    assert len(house.tasks()) == len(tasks)
    return rio


def test_a_task_that_arrives_appears_and_disturbs_nobody_who_types(desk: Desk) -> None:
    desk.have_tasks(2)
    page = desk.open()
    page.keyboard.press("c")
    title = page.get_by_label("Title")
    expect(title).to_be_focused()
    title.press_sequentially("Write a le")
    desk.house.api(desk.popug).create("Sing")
    expect(page.locator("#open-list tbody tr")).to_have_count(3)
    expect(page.locator("#open-list tbody tr").last).to_contain_text("Sing")
    expect(page.locator("#news-told")).to_have_text("3 pieces of news")
    title.press_sequentially("tter")
    expect(title).to_have_value("Write a letter")


def test_a_link_to_the_form_opens_it(desk: Desk) -> None:
    page = desk.page()
    page.goto(desk.server.url("/#new-task"))
    expect(page.get_by_label("Title")).to_be_focused()


def test_news_are_read_and_gone(desk: Desk) -> None:
    desk.have_tasks(1)
    page = desk.open()
    page.locator("#news summary").click()
    expect(page.locator("#news")).to_contain_text("1 task has come")
    page.get_by_role("button", name="Mark as read").click()
    expect(page.locator("#news .badge")).to_have_count(0)


def test_while_nothing_happens_next_to_nothing_is_asked_and_nothing_while_nobody_looks(desk: Desk) -> None:
    desk.have_tasks(1)
    page = desk.page()
    page.clock.install()
    page.goto(desk.server.url("/"))
    page.clock.pause_at(page.evaluate("Date.now()") + 1000)  # else it goes on by itself, too
    first_minute = desk.pass_time(page, 60)
    assert 3 <= first_minute <= 8
    assert 1 <= desk.pass_time(page, 120) <= 5
    show(page, hidden=True)
    assert desk.pass_time(page, 60) == 0
    before = desk.looks
    show(page, hidden=False)
    desk.pass_time(page, 1)
    assert desk.looks == before + 1


def test_after_the_server_was_away_the_page_goes_on(desk: Desk) -> None:
    desk.have_tasks(1)
    page = desk.page()
    page.clock.install()
    page.goto(desk.server.url("/"))
    desk.server.stop.set()
    desk.serving.join()
    assert 1 <= desk.pass_time(page, 120) <= 8
    desk.house.api(desk.popug).create("Sing")
    with webserver_house.running(webserver_house.House(desk.house.app, port=desk.server.port)):
        desk.pass_time(page, 75)
        expect(page.locator("#open-list tbody tr")).to_have_count(2)


def show(page: Page, *, hidden: bool) -> None:
    """Let the tab be hidden, or shown again."""
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_a_manager_is_shown_what_a_manager_does(desk: Desk) -> None:
    desk.have_tasks(1)
    page = desk.page(PHONE, user_id=desk.house.person("manager"))
    page.goto(desk.server.url("/"))
    place = page.get_by_text("Reassign all open tasks").bounding_box()
    assert place
    assert place["y"] + place["height"] < PHONE["height"]
