"""The tracker's pages, as a browser without JavaScript uses them."""

import re
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest

from chassis.settings import Settings
from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def test_who_is_not_signed_in_is_led_to_the_sign_in(house: House) -> None:
    answer = house.app.test_client().get("/")
    assert answer.status_code == 302
    assert answer.location.startswith("/sign-in")


def test_a_task_is_created_shown_and_marked_done(house: House) -> None:
    browser = house.browser(house.person(name="Kesha"))
    assert "No tasks yet" in browser.get("/").text
    answer = browser.post("/", data={"title": "Fly <home>", "jira_id": "POPUG-1"}, follow_redirects=True)
    assert "Kesha will do it" in answer.text
    assert "Fly &lt;home&gt;" in answer.text
    (task,) = house.tasks()
    answer = browser.post(f"/tasks/{task.public_id}/complete", follow_redirects=True)
    assert "Done: " in answer.text
    assert house.tasks()[0].status == "done"
    answer = browser.post(f"/tasks/{task.public_id}/complete", follow_redirects=True)
    assert "completed already" in answer.text


def test_a_click_that_lost_the_race_against_a_reassignment_is_told_on_the_list_who_has_the_task_now(
    house: House,
) -> None:
    old, admin = house.person(), house.person("admin")
    task_id = house.api(old).create("Fly")["id"]
    house.person(name="Rio")
    while str(house.tasks()[0].assignee_id) == str(old):
        run_id = UUID(house.api(admin).post("/reassignments").json["id"])
        list(house.work_through(run_id))
    answer = house.browser(old).post(f"/tasks/{task_id}/complete", follow_redirects=True)
    assert (answer.status_code, answer.request.path) == (200, "/")
    assert "“Fly” was reassigned: Rio has it now." in answer.text
    assert house.tasks()[0].status == "open"


def test_the_form_keeps_what_was_typed_and_says_at_the_field_what_is_wrong(house: House) -> None:
    browser = house.browser(house.person())
    answer = browser.post("/", data={"title": "[POPUG-1] Fly", "description": "By night"})
    assert answer.status_code == 422
    assert 'value="[POPUG-1] Fly"' in answer.text
    assert ">By night</textarea>" in answer.text
    assert re.search(r'id="title"[^>]*aria-invalid="true" aria-describedby="title-error"', answer.text)
    assert "A Jira key belongs here, not in the title." in answer.text


def test_when_nobody_can_be_assigned_the_form_says_so(house: House) -> None:
    answer = house.browser(house.person("manager")).post("/", data={"title": "Fly"})
    assert answer.status_code == 409
    assert "Nobody can be assigned" in answer.text
    assert 'value="Fly"' in answer.text


def test_a_double_click_creates_one_task(house: House) -> None:
    browser = house.browser(house.person())
    key = re.search(r'name="key" value="([^"]+)"', browser.get("/").text)
    assert key
    for _ in range(2):
        assert browser.post("/", data={"title": "Fly", "key": key[1]}).status_code == 303
    assert len(house.tasks()) == 1


def test_the_description_is_changed_on_the_page_of_the_task(house: House) -> None:
    popug = house.person()
    browser = house.browser(popug)
    task_id = house.api(popug).create("Fly")["id"]
    answer = browser.post(
        f"/tasks/{task_id}", data={"title": "Fly", "description": "Over the sea"}, follow_redirects=True
    )
    assert "Over the sea" in answer.text
    assert len(house.published("task_updated")) == 1
    refused = browser.post(f"/tasks/{task_id}", data={"title": "", "description": "Kept"})
    assert refused.status_code == 422
    assert ">Kept</textarea>" in refused.text


def test_who_may_not_change_a_task_sees_it_without_a_form(house: House) -> None:
    task_id = house.api(house.person()).create("Fly", description="Over the sea")["id"]
    browser = house.browser(house.person())
    page = browser.get(f"/tasks/{task_id}").text
    assert "Over the sea" in page
    assert "<textarea" not in page
    assert browser.post(f"/tasks/{task_id}", data={"title": "Sing"}).status_code == 403
    assert browser.post(f"/tasks/{task_id}/complete").status_code == 403


def test_many_tasks_come_page_by_page(house: House) -> None:
    popug = house.person()
    for number in range(26):
        house.api(popug).create(f"Task no. {number}.")
    browser = house.browser(popug)
    first = browser.get("/").text
    to_do = first.split('id="open-tasks"')[1]
    assert to_do.count("Task no. ") == 2 * 25  # in the link and in the name of the button
    link = re.search(r'href="([^"]*cursor=[^"]*)" rel="next"', first)
    assert link
    assert "Task no. 25." in browser.get(link[1].replace("&amp;", "&")).text


def test_what_is_done_has_pages_of_its_own_and_repeats_nothing_that_is_to_do(house: House) -> None:
    popug = house.person()
    for number in range(27):
        task = house.api(popug).create(f"Task no. {number}.")
        if number < 26:
            house.api(popug).post(f"/tasks/{task['id']}/complete")
    browser = house.browser(popug)
    first = browser.get("/").text
    to_do, done = first.split('id="done"')
    assert "Task no. 26." in to_do
    assert done.count("Task no. ") == 25
    link = re.search(r'href="([^"]*done=[^"]*)#done" rel="next"', done)
    assert link
    second = browser.get(link[1].replace("&amp;", "&")).text
    assert "Task no. 26." in second.split('id="done"')[0]
    assert second.split('id="done"')[1].count("Task no. ") == 1


def test_a_page_has_no_more_of_either_list_than_is_asked_for_nor_has_the_one_after_it(house: House) -> None:
    popug = house.person()
    for number in range(6):
        task = house.api(popug).create(f"Task no. {number}.")
        if number < 3:
            house.api(popug).post(f"/tasks/{task['id']}/complete")
    browser = house.browser(popug)
    page = browser.get("/?limit=2").text
    to_do, done = page.split('id="open-tasks"')[1].split('id="done"')
    assert re.findall(r"Task no. \d\.", to_do)[::2] == ["Task no. 3.", "Task no. 4."]
    assert re.findall(r"Task no. \d\.", done) == ["Task no. 2.", "Task no. 1."]
    link = re.search(r'href="([^"]*cursor=[^"]*)" rel="next"', to_do)
    assert link
    rest = browser.get(link[1].replace("&amp;", "&")).text.split('id="open-tasks"')[1]
    assert set(re.findall(r"Task no. \d\.", rest)) == {"Task no. 5.", "Task no. 2.", "Task no. 1."}
    assert browser.get("/?limit=0").status_code == 422


def test_names_and_titles_turn_nothing_around_them(house: House) -> None:
    popug = house.person(name="כוכבית")
    title = "לעוף\u202e הביתה"
    browser = house.browser(popug)
    page = browser.post("/", data={"title": title}, follow_redirects=True).text
    assert "\u202e" not in page
    assert "<bdi>לעוף הביתה</bdi>" in page
    assert "“\u2068לעוף הביתה\u2069”" in page
    assert '<bdi class="name">כוכבית</bdi>' in page


def test_pages_speak_russian(house: House) -> None:
    answer = house.browser(house.person()).get("/?lang=ru")
    assert 'lang="ru"' in answer.text


def test_the_page_of_a_task_tells_its_history_and_hides_the_form_behind_a_button(house: House) -> None:
    kesha, manager = house.person(name="Kesha"), house.person("manager", name="Rio")
    task = house.api(kesha).create("Fly", description="Far")
    (assigned,) = house.published("task_assigned")
    house.price(task["id"])
    house.post(kesha, "fee", -1500, task_id=task["id"], cause=assigned.id)
    run_id = house.api(manager).post("/reassignments").json["id"]
    list(house.work_through(UUID(run_id)))
    house.browser(manager).post(f"/tasks/{task['id']}", data={"title": "Fly <home>", "description": "Far"})
    page = house.browser(kesha).get(f"/tasks/{task['id']}").text
    assert '<details class="edit">' in page
    assert "the fee is $15.00, the reward is $35.35" in page
    assert "−$15.00" in page
    assert re.search(r"<del[^>]*>Fly</del></dd>\s+<dd><ins[^>]*>Fly &lt;home&gt;</ins>", page)
    assert run_id not in page
    assert f"/reassignments/{run_id}" in house.browser(manager).get(f"/tasks/{task['id']}").text


def test_the_form_of_a_task_is_open_when_it_comes_back_with_its_faults(house: House) -> None:
    kesha = house.person()
    task = house.api(kesha).create("Fly")
    answer = house.browser(kesha).post(f"/tasks/{task['id']}", data={"title": ""})
    assert answer.status_code == 422
    assert '<details class="edit" open>' in answer.text


def test_the_page_of_a_task_is_the_same_until_something_happens_to_the_task(house: House) -> None:
    kesha, manager = house.person(), house.person("manager")
    task = house.api(kesha).create("Fly")
    browser = house.browser(kesha)
    (assigned,) = house.published("task_assigned")

    def changes(what: Callable[[], object]) -> bool:
        known = browser.get(f"/tasks/{task['id']}").headers["ETag"]
        what()
        answer = browser.get(f"/tasks/{task['id']}", headers={"If-None-Match": known})
        assert answer.status_code in (200, 304)
        return answer.status_code == 200

    assert not changes(lambda: None)
    assert not changes(lambda: house.api(kesha).create("Swim"))
    assert changes(lambda: house.price(task["id"]))
    assert changes(lambda: house.post(kesha, "fee", -1500, task_id=task["id"], cause=assigned.id))
    assert changes(lambda: house.api(manager).patch(f"/tasks/{task['id']}", {"title": "Fly home"}))
    assert changes(lambda: house.hear_of(kesha, name="Rio", event="updated"))
    assert changes(lambda: house.api(kesha).post(f"/tasks/{task['id']}/complete"))
    assert changes(lambda: house.post(kesha, "reward", 3535, task_id=task["id"]))


def test_a_form_that_was_shown_before_somebody_elses_edit_overwrites_nothing_and_keeps_what_was_typed(
    house: House,
) -> None:
    kesha, manager = house.person(), house.person("manager")
    task = house.api(kesha).create("Fly")
    edits = re.search(r'name="edits" value="(\d+)"', house.browser(kesha).get(f"/tasks/{task['id']}").text)
    assert edits
    house.api(manager).patch(f"/tasks/{task['id']}", {"title": "Fly home"})
    words = {"title": "Fly away", "description": "Far", "edits": edits[1]}
    answer = house.browser(kesha).post(f"/tasks/{task['id']}", data=words)
    assert answer.status_code == 412
    assert "Somebody has changed this task since" in answer.text
    assert 'value="Fly away"' in answer.text
    assert house.tasks()[0].title == "Fly home"


def test_a_reassignment_meanwhile_keeps_nobody_from_saving_their_words(house: House) -> None:
    kesha, manager = house.person(), house.person("manager")
    task = house.api(kesha).create("Fly")
    list(house.work_through(UUID(house.api(manager).post("/reassignments").json["id"])))
    words = {"title": "Fly away", "description": "Far", "edits": "0"}
    assert house.browser(kesha).post(f"/tasks/{task['id']}", data=words).status_code == 303
    assert house.tasks()[0].title == "Fly away"
