"""The tracker's REST API: creating, listing, changing and completing tasks."""

from collections.abc import Callable, Iterator
from uuid import UUID, uuid4

import pytest

from chassis.db import utc_now
from chassis.settings import Settings
from messaging import Event
from tests.chassis_parts import bearer
from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def test_a_new_task_has_an_assignee_and_is_told_of_as_created_and_assigned(house: House) -> None:
    popug, author = house.person(name="Kesha"), house.person("manager")
    answer = house.api(author).post("/tasks", {"title": " Fly home ", "jira_id": "POPUG-1", "description": "Soon"})

    assert answer.status_code == 201
    task = answer.json
    assert answer.headers["Location"] == f"/api/v1/tasks/{task['id']}"
    assert task["assignee"] == {"id": str(popug), "name": "Kesha"}
    assert (task["title"], task["jira_id"], task["description"]) == ("Fly home", "POPUG-1", "Soon")
    assert (task["status"], task["assignment_no"], task["completed_at"]) == ("open", 1, None)
    assert (task["fee_cents"], task["reward_cents"]) == (None, None)
    created, assigned = house.published()
    assert (created.type, created.subject, created.sequence) == ("tracker.task_created.v2", task["id"], 1)
    assert (created.data["jira_id"], created.data["created_by"]) == ("POPUG-1", str(author))
    assert (assigned.type, assigned.subject, assigned.sequence) == ("tracker.task_assigned.v1", task["id"], 2)
    assert (assigned.data["assignee_id"], assigned.data["reassignment_id"]) == (str(popug), None)
    assert created.correlation_id == assigned.correlation_id


def test_brackets_in_a_title_are_refused_with_a_hint_and_nothing_is_told(house: House) -> None:
    answer = house.api(house.person()).post("/tasks", {"title": "[POPUG-1] Fly"})
    assert answer.status_code == 422
    assert answer.content_type == "application/problem+json"
    assert answer.json["errors"] == {
        "title": ["The title may not contain [ or ]."],
        "jira_id": ["A Jira key belongs here, not in the title."],
    }
    assert house.published() == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "title"),
        ({"title": None}, "title"),
        ({"title": 5}, "title"),
        ({"title": "  "}, "title"),
        ({"title": "Fly", "jira_id": "j" * 65}, "jira_id"),
        ({"title": "Fly", "description": "a\x00b"}, "description"),
        ({"title": "Fly", "colour": "green"}, "colour"),
    ],
)
def test_what_is_wrong_is_told_by_field(house: House, body: dict[str, object], field: str) -> None:
    answer = house.api(house.person()).post("/tasks", body)
    assert answer.status_code == 422
    assert list(answer.json["errors"]) == [field]


def test_without_anybody_to_assign_there_is_no_task(house: House) -> None:
    manager = house.person("manager")
    answer = house.api(manager).post("/tasks", {"title": "Fly"})
    assert answer.status_code == 409
    assert house.tasks() == []
    assert house.published() == []


def test_assignees_are_active_and_neither_managers_nor_admins(house: House) -> None:
    able = {house.person(role) for role in ("popug", "boss", "accountant")}
    manager, _ = house.person("manager"), house.person("admin")
    blocked = house.person()
    house.hear_of(blocked, status="blocked", event="blocked")
    for _ in range(60):
        house.api(manager).create()
    assert {task.assignee_id for task in house.tasks()} == able  # 60 draws among 3 miss one in 1e10


def test_the_same_key_creates_one_task_and_another_request_under_it_is_refused(house: House) -> None:
    api = house.api(house.person())
    first = api.post("/tasks", {"title": "Fly"}, Idempotency_Key="k")
    again = api.post("/tasks", {"title": "Fly"}, Idempotency_Key="k")
    assert (again.status_code, again.json) == (201, first.json)
    assert len(house.published()) == 2
    other = api.post("/tasks", {"title": "Sing"}, Idempotency_Key="k")
    assert other.status_code == 422
    somebody_elses = house.api(house.person()).post("/tasks", {"title": "Sing"}, Idempotency_Key="k")
    assert somebody_elses.status_code == 201


def test_without_a_token_nothing_is_answered_not_even_what_is_wrong(house: House) -> None:
    client = house.app.test_client()
    for answer in (client.post("/api/v1/tasks", json={}), client.get("/api/v1/tasks?limit=0")):
        assert answer.status_code == 401


def test_a_blocked_person_is_shut_out_whatever_the_token_says(house: House) -> None:
    popug = house.person()
    assert house.api(popug).get("/tasks").status_code == 200
    house.hear_of(popug, status="blocked", event="blocked")
    assert house.api(popug).get("/tasks").status_code == 401


def test_a_session_that_was_signed_out_opens_nothing_any_more(house: House) -> None:
    popug, session_id = house.person(), uuid4()
    headers = bearer(sub=str(popug), sid=str(session_id))
    browser = house.browser(popug)
    with browser.session_transaction() as cookie:
        cookie["session_id"] = str(session_id)
    assert house.app.test_client().get("/api/v1/tasks", headers=headers).status_code == 200
    assert browser.get("/").status_code == 200

    data = {"sign_in_id": str(session_id), "user_id": str(popug), "signed_out_at": utc_now().isoformat()}
    house.deliver(Event.new("auth.user_signed_out.v1", subject=str(session_id), sequence=2, data=data))
    refused = house.app.test_client().get("/api/v1/tasks", headers=headers)
    assert refused.status_code == 401
    assert refused.get_json()["type"] == "urn:ates:problem:session-ended"
    assert browser.get("/").location.startswith("/sign-in")
    assert house.api(popug).get("/tasks").status_code == 200


def test_an_unblocking_does_not_revive_what_was_issued_before_the_block(house: House) -> None:
    popug = house.person()
    mine, browser = house.api(popug), house.browser(popug)
    for status, event in (("blocked", "blocked"), ("active", "unblocked")):
        house.hear_of(popug, status=status, event=event)
    assert mine.get("/tasks").status_code == 401
    assert browser.get("/").location.startswith("/sign-in")
    in_a_second = int(utc_now().timestamp()) + 1
    signed_in_again = bearer(sub=str(popug), iat=in_a_second, exp=in_a_second + 300)
    assert house.app.test_client().get("/api/v1/tasks", headers=signed_in_again).status_code == 200


def test_own_tasks_come_page_by_page_newest_first(house: House) -> None:
    popug = house.person()
    api = house.api(popug)
    created = [api.create(f"Task {number}")["id"] for number in range(7)]
    for done in (created[5], created[2]):
        assert api.post(f"/tasks/{done}/complete").status_code == 200

    found: list[str] = []
    query = "/tasks?assignee=me&limit=3"
    while query:
        page = api.get(query).json
        assert len(page["items"]) <= 3
        found += [task["id"] for task in page["items"]]
        query = page["next_cursor"] and f"/tasks?limit=3&cursor={page['next_cursor']}"
    assert found == created[::-1]
    assert [task["id"] for task in api.get("/tasks?status=done").json["items"]] == [created[5], created[2]]
    assert api.get(f"/tasks?assignee={popug}").json == api.get("/tasks").json


def test_a_task_that_is_completed_or_priced_between_two_pages_is_on_one_of_them(house: House) -> None:
    api = house.api(house.person())
    created = [api.create(f"Task {number}")["id"] for number in range(6)]
    first = api.get("/tasks?limit=2").json
    for task in (created[5], created[0]):  # one that was shown, one that will be
        api.post(f"/tasks/{task}/complete")
    second = api.get(f"/tasks?limit=2&cursor={first['next_cursor']}").json
    api.post(f"/tasks/{created[3]}/complete")
    third = api.get(f"/tasks?limit=2&cursor={second['next_cursor']}").json
    assert [task["id"] for page in (first, second, third) for task in page["items"]] == created[::-1]


def test_somebody_elses_tasks_are_listed_by_managers_and_admins_only(house: House) -> None:
    popug = house.person()
    house.api(popug).create()
    for role, status in (("popug", 403), ("boss", 403), ("accountant", 403), ("manager", 200), ("admin", 200)):
        answer = house.api(house.person(role)).get(f"/tasks?assignee={popug}")
        assert answer.status_code == status
        if status == 200:
            assert len(answer.json["items"]) == 1


def test_tasks_by_ids_are_for_everyone_and_all_at_once(house: House) -> None:
    author = house.person()
    ids = [house.api(author).create()["id"] for _ in range(60)]
    found = house.api(house.person()).get(f"/tasks?ids={','.join([*ids, str(uuid4())])}").json
    assert {task["id"] for task in found["items"]} == set(ids)
    assert found["next_cursor"] is None
    assert house.api(author).get("/tasks?ids=nonsense").status_code == 422
    assert house.api(author).get(f"/tasks?ids={ids[0]}&status=done").json["items"] == []


def test_one_task_is_for_everyone_and_a_missing_one_is_not_found(house: House) -> None:
    task = house.api(house.person()).create()
    assert house.api(house.person()).get(f"/tasks/{task['id']}").json == task
    assert house.api(house.person()).get(f"/tasks/{uuid4()}").status_code == 404


def test_a_change_is_told_once_and_carries_all_words(house: House) -> None:
    api = house.api(house.person())
    task = api.create("Fly", jira_id="POPUG-1")
    changed = api.patch(f"/tasks/{task['id']}", {"description": "By night"})
    assert changed.status_code == 200
    assert changed.json == {**task, "description": "By night"}
    assert api.patch(f"/tasks/{task['id']}", {"description": "By night"}).status_code == 200
    (updated,) = house.published("task_updated")
    assert updated.sequence == 3
    assert updated.data["title"] == "Fly"
    assert updated.data["jira_id"] == "POPUG-1"
    assert api.patch(f"/tasks/{task['id']}", {"jira_id": None}).json["jira_id"] is None
    assert api.patch(f"/tasks/{task['id']}", {"title": "a [b]"}).status_code == 422
    assert api.patch(f"/tasks/{uuid4()}", {}).status_code == 404


def test_a_task_is_changed_by_its_assignee_its_author_managers_and_admins(house: House) -> None:
    assignee = house.person()
    author = house.person("manager")
    task = house.api(author).create()
    house.hear_of(author, role="accountant", event="updated")
    for who, status in (
        (assignee, 200),
        (author, 200),
        (house.person("manager"), 200),
        (house.person("admin"), 200),
        (house.person("popug"), 403),
        (house.person("accountant"), 403),
    ):
        assert house.api(who).patch(f"/tasks/{task['id']}", {"description": str(who)}).status_code == status


def test_only_the_assignee_completes_a_task_and_only_once(house: House) -> None:
    popug = house.person()
    task = house.api(popug).create()
    for role in ("popug", "manager", "admin"):
        assert house.api(house.person(role)).post(f"/tasks/{task['id']}/complete").status_code == 403
    done = house.api(popug).post(f"/tasks/{task['id']}/complete")
    assert done.status_code == 200
    assert done.json["status"] == "done"
    assert done.json["completed_at"]
    assert house.api(popug).post(f"/tasks/{task['id']}/complete").status_code == 409
    assert house.api(popug).post(f"/tasks/{uuid4()}/complete").status_code == 404
    (completed,) = house.published("task_completed")
    assert (completed.sequence, completed.data["assignee_id"]) == (3, str(popug))


def priced(task_id: str, fee: int = 1500, reward: int = 3000) -> Event:
    data = {"task_id": task_id, "fee_cents": fee, "reward_cents": reward, "priced_at": "2026-11-21T09:00:00Z"}
    return Event.new("billing.task_priced.v1", subject=task_id, sequence=1, data=data)


def test_prices_are_shown_once_billing_has_set_them(house: House) -> None:
    api = house.api(house.person())
    task = api.create()
    event = priced(task["id"])
    house.deliver(event)
    house.deliver(event)
    shown = api.get(f"/tasks/{task['id']}").json
    assert (shown["fee_cents"], shown["reward_cents"]) == (1500, 3000)


def test_of_several_prices_that_come_together_each_task_has_its_own_and_the_first_counts(house: House) -> None:
    api = house.api(house.person())
    tasks = [api.create() for _ in range(3)]
    told = [priced(task["id"], 1000 + n, 2000 + n) for n, task in enumerate(tasks)]
    house.deliver(*told, priced(tasks[1]["id"], 1999, 3999), priced(str(uuid4())))
    shown = [api.get(f"/tasks/{task['id']}").json for task in tasks]
    assert [(task["fee_cents"], task["reward_cents"]) for task in shown] == [(1000, 2000), (1001, 2001), (1002, 2002)]


def test_prices_of_a_task_that_is_not_ours_do_no_harm(house: House) -> None:
    house.deliver(priced(str(UUID(int=7))))
    assert house.tasks() == []
