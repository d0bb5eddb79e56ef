"""The REST API of auth on a real database."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from auth_service import commands
from auth_service.demo.parrot import draw_parrot
from auth_service.errors import LastAdmin
from auth_service.queries import BeakMemory
from chassis.db import utc_now
from tests.integration.auth_house import House
from tests.waiting import eventually, somebody_waits_for_a_lock


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("auth"))
    yield house
    house.close()


def test_a_beak_gets_a_token_with_which_its_owner_is_known(house: House) -> None:
    kesha = house.person("kesha", name="Кеша")
    answer = house.show_beak("kesha")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["token_type"] == "Bearer"
    assert answer.json["expires_in"] == 300
    assert answer.json["user"] == {"id": str(kesha), "name": "Кеша", "role": "popug"}
    me = house.api("kesha").get("/me").json
    assert me["email"] == "kesha@uberpopug.example"
    assert (me["status"], me["role"]) == ("active", "popug")


@pytest.mark.parametrize(
    ("photo", "content_type", "status", "kind"),
    [
        (b"hello", "text/plain", 415, "unsupported-photo"),
        (b"", "application/x-www-form-urlencoded", 415, "unsupported-photo"),
        (b"hello", "image/png", 422, "not-a-picture"),
        (b"", "image/png", 422, "not-a-picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(2**21), "image/png", 413, "photo-too-large"),
    ],
)
def test_a_photo_that_cannot_be_used_is_refused_with_the_reason(
    house: House, photo: bytes, content_type: str, status: int, kind: str
) -> None:
    answer = house.show(photo, content_type)
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert answer.json["type"] == f"urn:ates:problem:{kind}"
    assert answer.json["detail"]


def test_a_body_beyond_all_measure_is_not_even_read(house: House) -> None:
    assert house.show(bytes(5 * 2**20)).status_code == 413


def test_a_strange_beak_is_turned_away(house: House) -> None:
    answer = house.show_beak("stranger")
    assert answer.status_code == 401
    assert answer.json["type"] == "urn:ates:problem:unknown-beak"


def test_who_is_blocked_is_shut_out_at_once_and_let_in_again(house: House) -> None:
    kesha = house.person("kesha")
    mine, root = house.api("kesha"), house.api()
    assert root.post(f"/users/{kesha}/block").json["status"] == "blocked"
    assert mine.get("/me").status_code == 401
    assert house.show_beak("kesha").json["type"] == "urn:ates:problem:user-is-blocked"
    assert root.get(f"/users/{kesha}/permissions").json == {"permissions": []}
    assert root.post(f"/users/{kesha}/block").status_code == 200
    assert root.post(f"/users/{kesha}/unblock").json["status"] == "active"
    assert house.api("kesha").get("/me").status_code == 200
    assert house.of_user(kesha) == [("user_registered", 1), ("user_blocked", 2), ("user_unblocked", 3)]


def test_what_was_given_out_before_a_block_stays_dead_after_the_unblocking(house: House) -> None:
    kesha = house.person("kesha")
    mine, browser, root = house.api("kesha"), house.browser("kesha"), house.api()
    copied = house.copy_of(browser)
    root.post(f"/users/{kesha}/block")
    root.post(f"/users/{kesha}/unblock")
    assert mine.get("/me").json["type"] == "urn:ates:problem:session-ended"
    for session in (browser, copied):
        assert session.get("/").location.startswith("/sign-in")
    assert house.browser("kesha").get("/").status_code == 200


def test_whoever_knows_the_id_of_a_session_can_ask_whether_it_goes_on(house: House) -> None:
    kesha = house.person("kesha")
    house.api("kesha")
    (session_id,) = (event.subject for event in house.published("user_signed_in"))
    client = house.app.test_client()
    answer = client.get(f"/api/v1/sessions/{session_id}")
    assert answer.get_json() == {"active": True}
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.get(f"/api/v1/sessions/{uuid4()}").get_json() == {"active": False}
    with time_machine.travel(utc_now() + timedelta(hours=12)):
        assert client.get(f"/api/v1/sessions/{session_id}").get_json() == {"active": False}
    root = house.api()
    root.post(f"/users/{kesha}/block")
    root.post(f"/users/{kesha}/unblock")
    assert client.get(f"/api/v1/sessions/{session_id}").get_json() == {"active": False}


def test_who_is_being_blocked_gets_no_session_that_an_unblocking_would_bring_to_life(house: House) -> None:
    kesha = house.person("kesha")
    with ThreadPoolExecutor(1) as pool:
        with house.database.transaction() as session:
            commands.block_user(session, kesha)
            signing_in = pool.submit(house.show_beak, "kesha")
            eventually(lambda: somebody_waits_for_a_lock(house.database.engine))
        assert signing_in.result(30).json["type"] == "urn:ates:problem:user-is-blocked"
    assert house.published("user_signed_in") == []


def test_a_user_is_registered_enrolled_and_changed(house: House) -> None:
    root = house.api()
    created = root.post("/users", {"name": " Гоша ", "email": "Gosha@uberpopug.example", "role": "boss"})
    assert created.status_code == 201
    user = created.json
    assert created.headers["Location"] == f"/api/v1/users/{user['id']}"
    assert user["name"] == "Гоша"
    assert house.show_beak("gosha").status_code == 401
    assert root.put_photo(f"/users/{user['id']}/beak", draw_parrot("gosha")).status_code == 204
    assert house.show_beak("gosha").json["user"]["role"] == "boss"
    changed = root.patch(f"/users/{user['id']}", {"name": "Георгий", "role": "manager"})
    assert changed.json["name"] == "Георгий"
    assert changed.json["role"] == "manager"
    assert root.get(f"/users/{user['id']}").json == changed.json
    events = [event for event in house.published() if event.subject == user["id"]]
    assert [(event.name, event.sequence) for event in events] == [
        ("auth.user_registered", 1),
        ("auth.user_updated", 2),
        ("auth.user_role_changed", 3),
    ]
    assert events[1].data["role"] == "boss"
    assert events[2].data["previous_role"] == "boss"
    assert events[2].data["name"] == "Георгий"


def test_what_changes_nothing_is_not_announced(house: House) -> None:
    kesha = house.person("kesha", name="Кеша")
    same = {"name": "Кеша", "role": "popug", "email": "kesha@uberpopug.example"}
    assert house.api().patch(f"/users/{kesha}", same).status_code == 200
    assert house.of_user(kesha) == [("user_registered", 1)]


def test_an_email_address_belongs_to_one_user_however_it_is_written(house: House) -> None:
    house.person("kesha", beak=False)
    gosha = house.person("gosha", beak=False)
    root = house.api()
    taken = {"name": "X", "email": "KESHA@UberPopug.example", "role": "popug"}
    assert root.post("/users", taken).status_code == 409
    answer = root.patch(f"/users/{gosha}", {"email": taken["email"]})
    assert answer.status_code == 409
    assert "email" in answer.json["errors"]
    assert root.patch(f"/users/{gosha}", {"email": "Gosha@uberpopug.example"}).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "", "email": "a@b.example", "role": "popug"}, "name"),
        ({"name": "x" * 201, "email": "a@b.example", "role": "popug"}, "name"),
        ({"name": "a\nb", "email": "a@b.example", "role": "popug"}, "name"),
        ({"name": "a", "email": "nonsense", "role": "popug"}, "email"),
        ({"name": "a", "email": "a@b.example\r\nBcc: x@y.example", "role": "popug"}, "email"),
        ({"name": "a", "email": "a@b.example", "role": "king"}, "role"),
        ({"name": "a", "email": "a@b.example"}, "role"),
        ({"name": "a", "email": "a@b.example", "role": "popug", "status": "active"}, "status"),
    ],
)
def test_a_user_that_breaks_a_rule_is_refused_by_field(house: House, body: dict[str, str], field: str) -> None:
    answer = house.api().post("/users", body)
    assert answer.status_code == 422
    assert field in answer.json["errors"]


def test_only_administrators_manage_users(house: House) -> None:
    kesha = house.person("kesha")
    mine = house.api("kesha")
    assert mine.post("/users", {"name": "a", "email": "a@b.example", "role": "admin"}).status_code == 403
    assert mine.patch(f"/users/{kesha}", {"role": "admin"}).status_code == 403
    assert mine.post(f"/users/{house.root}/block").status_code == 403
    assert mine.post(f"/users/{kesha}/unblock").status_code == 403
    assert mine.put_photo(f"/users/{house.root}/beak", draw_parrot("kesha")).status_code == 403
    assert mine.get("/sign-ins").status_code == 403
    assert mine.get(f"/users/{house.root}").status_code == 200
    assert house.app.test_client().get("/api/v1/users").status_code == 401


def test_users_are_listed_page_by_page_and_by_role_and_status(house: House) -> None:
    bosses = {str(house.person(f"boss{n}", role="boss", beak=False)) for n in range(5)}
    root = house.api()
    root.post(f"/users/{max(bosses)}/block")
    seen, cursor = [], ""
    while True:
        page = root.get(f"/users?role=boss&limit=2{cursor}").json
        assert len(page["items"]) <= 2
        seen += [user["id"] for user in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert len(seen) == 5
    assert set(seen) == bosses
    blocked = root.get("/users?status=blocked").json["items"]
    assert [user["id"] for user in blocked] == [max(bosses)]
    assert root.get("/users?role=king").status_code == 422
    assert root.get("/users?cursor=nonsense").status_code == 422


def test_a_random_user_is_active_and_has_one_of_the_roles(house: House) -> None:
    popugs = {str(house.person(f"popug{n}", beak=False)) for n in range(3)}
    boss = str(house.person("boss", role="boss", beak=False))
    root = house.api()
    blocked = max(popugs)
    root.post(f"/users/{blocked}/block")
    drawn = {root.get("/users/random?role=popug&role=boss").json["id"] for _ in range(60)}
    assert drawn == popugs - {blocked} | {boss}
    assert root.get("/users/random?role=accountant").status_code == 404
    assert root.get("/users/random?role=king").status_code == 422
    assert root.get("/users/random").status_code == 200


def test_nobody_is_found_under_an_id_that_there_is_not(house: House) -> None:
    root, nobody = house.api(), uuid4()
    for answer in (
        root.get(f"/users/{nobody}"),
        root.get(f"/users/{nobody}/permissions"),
        root.patch(f"/users/{nobody}", {"name": "x"}),
        root.post(f"/users/{nobody}/block"),
        root.put_photo(f"/users/{nobody}/beak", draw_parrot("x")),
    ):
        assert answer.status_code == 404


def test_the_last_active_administrator_stays(house: House) -> None:
    root = house.api()
    assert root.post(f"/users/{house.root}/block").status_code == 409
    assert root.patch(f"/users/{house.root}", {"role": "popug"}).status_code == 409
    other = house.person("other", role="admin", beak=False)
    root.post(f"/users/{other}/block")
    assert root.patch(f"/users/{house.root}", {"role": "popug"}).status_code == 409
    root.post(f"/users/{other}/unblock")
    assert root.patch(f"/users/{house.root}", {"role": "popug"}).status_code == 409  # the other has no beak to show
    assert root.post(f"/users/{house.root}/block").status_code == 409
    assert root.put_photo(f"/users/{other}/beak", draw_parrot("other")).status_code == 204
    assert root.patch(f"/users/{house.root}", {"role": "popug"}).status_code == 200
    assert root.get("/users").status_code == 200
    assert root.post(f"/users/{other}/block").status_code == 403


def test_two_administrators_who_block_each_other_at_once_do_not_both_succeed(house: House) -> None:
    other = house.person("other", role="admin")
    ready, outcomes = threading.Barrier(2), []

    def block(victim: Any) -> None:
        ready.wait(10)
        try:
            with house.database.transaction() as session:
                commands.block_user(session, victim)
            outcomes.append("blocked")
        except LastAdmin:
            outcomes.append("refused")

    threads = [threading.Thread(target=block, args=(victim,)) for victim in (house.root, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(outcomes) == ["blocked", "refused"]


def test_a_beak_like_somebody_elses_is_not_enrolled(house: House) -> None:
    gosha = house.person("gosha")
    root = house.api()
    assert root.put_photo(f"/users/{gosha}/beak", draw_parrot("root")).status_code == 409
    assert house.show_beak("gosha").status_code == 200
    assert root.put_photo(f"/users/{gosha}/beak", draw_parrot("gosha")).status_code == 204
    assert root.put_photo(f"/users/{gosha}/beak", draw_parrot("gosha after the operation")).status_code == 204
    assert house.show_beak("gosha").status_code == 401
    assert house.show_beak("gosha after the operation").status_code == 200


def test_of_two_like_beaks_enrolled_at_once_one_is_refused(house: House) -> None:
    twins = [house.person(f"twin{n}", beak=False) for n in range(2)]
    photo, ready, statuses = draw_parrot("twins"), threading.Barrier(2), []
    apis = [house.api() for _ in twins]

    def enrol(number: int) -> None:
        ready.wait(10)
        statuses.append(apis[number].put_photo(f"/users/{twins[number]}/beak", photo).status_code)

    threads = [threading.Thread(target=enrol, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(statuses) == [204, 409]


def test_a_beak_whose_enrolment_was_rolled_back_opens_no_door(house: House) -> None:
    gosha, memory = house.person("gosha", beak=False), BeakMemory()
    with house.database.sessions() as session:
        commands.enrol_beak(session, memory, gosha, commands.look_at(draw_parrot("gosha"), "image/png"))
        session.rollback()
    with house.database.reading() as session:
        assert memory.look(session).owners == (house.root,)


def test_sign_ins_are_audited_and_announced(house: House) -> None:
    kesha = house.person("kesha")
    house.show_beak("kesha")
    house.show_beak("stranger")
    root = house.api()
    entries = root.get(f"/sign-ins?user_id={kesha}").json["items"]
    assert len(entries) == 1
    assert entries[0]["method"] == "beak"
    assert entries[0]["signed_out_at"] is None
    everybody = root.get("/sign-ins").json["items"]
    assert [entry["user_id"] for entry in everybody] == [str(house.root), str(kesha)]
    announced = house.published("user_signed_in")
    assert [event.data["user_id"] for event in announced] == [str(kesha), str(house.root)]
    assert announced[0].subject == entries[0]["id"]
    assert announced[0].sequence == 1


def test_permissions_can_be_asked_for(house: House) -> None:
    kesha = house.person("kesha")
    root = house.api()
    assert "tasks.complete_own" in root.get(f"/users/{kesha}/permissions").json["permissions"]
    assert "users.write" in root.get(f"/users/{house.root}/permissions").json["permissions"]


def test_the_documentation_names_every_endpoint(house: House) -> None:
    spec = house.app.test_client().get("/api/openapi.json").get_json()
    assert "image/png" in spec["paths"]["/api/v1/token"]["post"]["requestBody"]["content"]
    assert {"/oauth/token", "/.well-known/jwks.json", "/api/v1/users/random"} <= spec["paths"].keys()
