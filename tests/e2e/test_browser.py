"""What people do with the pages, in a real browser."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import PATIENCE_MS, chromium, show_beak
from tests.e2e.companies import Company, busy_company, fresh_company
from tests.e2e.page_faults import faults
from tests.e2e.parrots import Parrot
from tests.e2e.tour import ChooseLooks, each_look_once, every_look, tour


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with chromium() as browser:
        yield browser


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Open a page with nobody signed in; at the end nothing may have been complained about in the console."""
    complaints: list[str] = []
    contexts = []

    def open_one(language: str = "en-US") -> Page:
        context = browser.new_context(locale=language)
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda m: complaints.append(m.text) if "Content Security Policy" in m.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def people(system: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {person["role"]: person for person in system["people"]}


#: In CI each page in each language, theme and width; all of them with all roles take half an hour.
in_many_looks = pytest.mark.parametrize(
    "looks",
    [pytest.param(each_look_once, marks=pytest.mark.slow), pytest.param(every_look, marks=pytest.mark.soak)],
    ids=["each look once", "every look"],
)


def check_every_page(browser: Browser, company: Company, looks: ChooseLooks) -> None:
    found = [fault for view in tour(browser, company, looks) for fault in faults(view)]
    assert not found, f"{len(found)} faults\n" + "\n\n".join(found)


@in_many_looks
@pytest.mark.timeout(3600)
def test_nothing_is_wrong_with_any_page_of_a_company_in_which_nothing_has_happened_yet(
    system: dict[str, Any], browser: Browser, looks: ChooseLooks
) -> None:
    check_every_page(browser, fresh_company(system), looks)


def test_a_photo_without_a_beak_is_refused_with_a_reason(
    system: dict[str, Any], open_page: OpenPage, tmp_path: Path
) -> None:
    Image.new("RGB", (400, 400), "white").save(tmp_path / "wall.png")
    page = open_page()
    show_beak(page, system["services"]["tracker"], tmp_path / "wall.png")
    expect(page.get_by_role("alert")).to_contain_text("beak")
    expect(page).to_have_url(re.compile("/sign-in"))


def test_a_parrot_creates_a_task_and_whoever_it_fell_on_completes_it_and_is_paid(
    system: dict[str, Any], people: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    worker = open_page()
    show_beak(worker, system["services"]["tracker"], people["popug"]["beak"])
    expect(worker.get_by_role("heading", level=1)).to_have_text("My tasks")

    worker.locator("summary", has_text="New task").click()
    worker.get_by_label("Title").fill("[POPUG-7] Sharpen claws")
    worker.get_by_role("button", name="Create").click()
    expect(worker.locator("#title-error")).to_contain_text("may not contain [ or ]")
    expect(worker.get_by_label("Title")).to_have_value("[POPUG-7] Sharpen claws")
    expect(worker.get_by_label("Title")).to_have_attribute("aria-invalid", "true")

    worker.get_by_label("Title").fill("Sharpen claws")
    worker.get_by_label(re.compile("Jira")).fill("POPUG-7")
    worker.get_by_role("button", name="Create").click()
    manager = Parrot(system, people["manager"])
    (task,) = [
        task
        for person in system["people"]
        for task in manager.get("tracker", "/api/v1/tasks", assignee=person["id"], limit=200)["items"]
        if task["title"] == "Sharpen claws"
    ]
    assert task["jira_id"] == "POPUG-7"

    owner = open_page()
    beak = next(person["beak"] for person in system["people"] if person["id"] == task["assignee"]["id"])
    show_beak(owner, system["services"]["tracker"], beak)
    for width, height in ((390, 844), (1440, 900)):
        owner.set_viewport_size({"width": width, "height": height})
        first = owner.locator("#open-list button").first.bounding_box()
        assert first
        assert first["y"] + first["height"] < height
    owner.get_by_role("button", name="Sharpen claws").first.click()
    expect(owner.locator("tr", has_text="Sharpen claws").locator(".outcome").first).to_be_visible()
    owner.goto(system["services"]["billing"])  # signed in there too: one sign-in for all
    expect(owner.get_by_role("heading", level=1)).to_have_text("My account")
    row = owner.locator("tr", has_text="Sharpen claws")
    for _ in range(50):
        if row.count() >= 2:
            break
        owner.wait_for_timeout(200)
        owner.reload()
    expect(row).to_have_count(2)  # the fee and the reward


def test_the_manager_has_the_button_and_watches_its_progress_and_a_worker_has_not(
    system: dict[str, Any], people: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    worker = open_page()
    show_beak(worker, system["services"]["tracker"], people["popug"]["beak"])
    expect(worker.get_by_text("Reassign all open tasks")).to_have_count(0)
    Parrot(system, people["popug"]).post("tracker", "/api/v1/tasks", {"title": "Fly"}, expect=201)
    manager = open_page()
    show_beak(manager, system["services"]["tracker"], people["manager"]["beak"])
    manager.get_by_text("Reassign all open tasks").click()
    manager.get_by_role("button", name="Reassign").click()
    expect(manager).to_have_url(re.compile("/reassignments/[0-9a-f-]{36}"))
    expect(manager.get_by_text(re.compile("finished", re.IGNORECASE)).first).to_be_visible(timeout=PATIENCE_MS)


def test_the_management_sees_its_figures_in_russian_and_a_worker_a_friendly_refusal(
    system: dict[str, Any], people: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    admin = open_page("ru-RU")
    show_beak(admin, system["services"]["analytics"], people["admin"]["beak"])
    expect(admin.get_by_role("heading", level=1)).to_have_text("Аналитика")
    admin.goto(f"{system['services']['billing']}/income")
    expect(admin.locator("svg").first).to_be_visible()
    worker = open_page()
    show_beak(worker, system["services"]["analytics"], people["popug"]["beak"])
    expect(worker.get_by_role("heading", level=1)).to_be_visible()
    assert worker.locator("table").count() == 0


def test_whoever_signs_out_is_out_and_a_foreign_site_gets_nobody_back(
    system: dict[str, Any], people: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    page = open_page()
    page.goto(f"{system['services']['tracker']}/sign-in?next=https://evil.example/")
    page.set_input_files("input[name=photo]", people["popug"]["beak"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(re.compile(re.escape(system["services"]["tracker"])))
    page.get_by_role("button", name="Sign out").click()
    page.goto(system["services"]["tracker"])
    expect(page.locator("input[name=photo]")).to_be_visible()


def test_keys_lead_to_places_list_themselves_and_can_be_switched_off(
    system: dict[str, Any], people: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    services = system["services"]
    page = open_page()
    show_beak(page, services["tracker"], people["admin"]["beak"])
    expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page).to_have_url(f"{services['auth']}/users")

    page.get_by_label("Role").focus()
    page.keyboard.press("c")  # in a field a key is a letter
    page.keyboard.press("Control+c")
    expect(page).to_have_url(f"{services['auth']}/users")

    page.locator("main").focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_contain_text("New user")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("main")).to_be_focused()

    page.get_by_role("button", name="Keyboard shortcuts").click()
    dialog.get_by_role("switch").uncheck()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Keyboard shortcuts")).to_be_focused()
    page.goto(services["billing"])  # the choice holds in all services
    page.keyboard.press("?")
    page.keyboard.press("g")
    page.keyboard.press("u")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page).to_have_url(re.compile(re.escape(services["billing"])))


def test_the_content_is_one_key_away_and_what_has_the_focus_shows_it(
    system: dict[str, Any], people: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    page = open_page()
    show_beak(page, system["services"]["auth"], people["admin"]["beak"])
    page.goto(f"{system['services']['auth']}/users")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    link = page.get_by_role("button", name="New user")
    expect(link).to_be_focused()
    assert link.evaluate("element => getComputedStyle(element).outlineStyle") == "solid"
    assert link.evaluate("element => getComputedStyle(element).outlineWidth") == "3px"


def test_a_form_is_sent_once_however_often_its_button_is_clicked(
    system: dict[str, Any], people: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    page = open_page()
    show_beak(page, system["services"]["auth"], people["popug"]["beak"])
    page.evaluate(  # what the page lets through is counted, and goes nowhere
        """() => {
            window.sent = 0;
            window.addEventListener("submit", (event) => {
                window.sent += event.defaultPrevented ? 0 : 1;
                event.preventDefault();
            });
        }"""
    )
    button = page.get_by_role("button", name="Sign out")
    for _ in range(3):
        button.click(force=True)
    assert page.evaluate("window.sent") == 1
    expect(button).to_have_attribute("aria-busy", "true")
    expect(button).to_be_focused()
    page.evaluate("window.dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(button).not_to_have_attribute("aria-busy", "true")
    button.click()
    assert page.evaluate("window.sent") == 2


@pytest.mark.parametrize("path", ["/accounts", "/days", "/income"])
def test_on_a_telephone_nothing_scrolls_sideways_and_all_money_is_in_sight(
    system: dict[str, Any], people: dict[str, dict[str, Any]], open_page: OpenPage, path: str
) -> None:
    page = open_page()
    page.set_viewport_size({"width": 390, "height": 844})
    show_beak(page, system["services"]["billing"], people["admin"]["beak"])
    page.goto(f"{system['services']['billing']}{path}")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.evaluate("document.querySelector('body > header').offsetHeight") < 110
    for amount in page.locator("td .money").all():
        box = amount.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
    page.get_by_role("button", name="Menu").click()
    expect(page.get_by_role("link", name="Analytics")).to_be_visible()


@in_many_looks
@pytest.mark.timeout(3600)
def test_nothing_is_wrong_with_any_page_of_a_company_at_work(
    system: dict[str, Any], browser: Browser, looks: ChooseLooks
) -> None:
    check_every_page(browser, busy_company(system), looks)
