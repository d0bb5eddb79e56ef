"""Dead letters by REST and by page, as an administrator uses them; nobody else may."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from chassis.settings import Settings
from messaging.dead_letters import State
from messaging.envelope import MAX_BYTES
from messaging.errors import TooLarge, UnknownType
from tests.integration.letters_house import LETTERS, PRICED, bury, opened, priced, states
from tests.integration.tracker_house import House


@pytest.fixture
def house(migrated: Callable[..., Settings]) -> Iterator[House]:
    with opened(migrated) as house:
        yield house


@pytest.fixture
def admin(house: House) -> UUID:
    return house.person("admin", "Ara")


@pytest.mark.parametrize("role", ["popug", "boss", "accountant", "manager"])
def test_only_administrators_see_and_decide(house: House, role: str) -> None:
    letter = bury(house, priced().to_bytes())
    person = house.person(role)
    api, browser = house.api(person), house.browser(person)
    for path in ("", "/groups", f"/{letter}"):
        assert api.get(f"{LETTERS}{path}").status_code == 403, path
    for path in (f"/{letter}/replay", f"/{letter}/discard", "/replay", "/discard"):
        assert api.post(f"{LETTERS}{path}", {}).status_code == 403, path
        assert browser.post(f"/messages{path.removeprefix(LETTERS)}").status_code == 403, path
    assert browser.post(f"/messages/{letter}/edit").status_code == 403
    for path in ("", f"/{letter}", "/discard"):
        assert browser.get(f"/messages{path}").status_code == 403, path
    assert house.app.test_client().get("/messages").status_code == 302
    assert states(house) == {letter: State.DEAD}


def test_the_number_of_open_letters_is_told_without_a_token(house: House, admin: UUID) -> None:
    letters = [bury(house, priced().to_bytes()) for _ in range(3)]
    house.api(admin).post(f"{LETTERS}/{letters[0]}/discard")
    answer = house.app.test_client().get(f"/api/v1{LETTERS}/count")
    assert (answer.status_code, answer.json) == (200, {"open": 2})
    page = house.browser(admin).get("/messages").text
    places = page.split('aria-label="Places"')[1]
    assert re.search(r'aria-current="page" class="urgent" title="[^"]*">Tasks <span class="badge bad">2</span>', places)
    assert re.search(
        r'title="2 dead letters: Tasks 2. No answer from: [^"]*"[^>]*>Operations <span class="badge bad">2\?<', page
    )


def test_a_decision_is_accepted_once_and_a_second_one_is_a_conflict(house: House, admin: UUID) -> None:
    replayed, discarded = bury(house, priced().to_bytes()), bury(house, priced().to_bytes())
    api = house.api(admin)
    answer = api.post(f"{LETTERS}/{replayed}/replay")
    assert (answer.status_code, answer.json) == (202, {"id": str(replayed), "state": "replay_requested"})
    answer = api.post(f"{LETTERS}/{discarded}/discard")
    assert (answer.status_code, answer.json) == (202, {"id": str(discarded), "state": "discarded"})
    for letter in (replayed, discarded):
        for verb in ("replay", "discard"):
            assert api.post(f"{LETTERS}/{letter}/{verb}").status_code == 409
        assert api.post(f"{LETTERS}/{letter}/replay", {"data": {}}).status_code == 409
    assert api.post(f"{LETTERS}/{uuid4()}/replay").status_code == 404
    listed = api.get(LETTERS).json["items"]
    assert [letter["state"] for letter in listed] == ["replay_requested"]
    assert api.get(f"{LETTERS}?state=dead").json["items"] == []
    assert api.get(f"{LETTERS}?state=alive").status_code == 422


def test_the_figures_are_written_as_the_language_does_and_a_group_tells_from_when_to_when(
    house: House, admin: UUID
) -> None:
    first, _ = bury(house, priced().to_bytes()), bury(house, priced().to_bytes())
    browser = house.browser(admin)
    with house.database.transaction() as session:
        session.execute(text("UPDATE held_message SET died_at = now()"))
    assert len(re.findall(r"<time.*?</time> – <time", browser.get("/messages").text)) == 0
    with house.database.transaction() as session:
        values = {"id": first}
        session.execute(text("UPDATE held_message SET died_at = died_at - interval '1 hour' WHERE id = :id"), values)
        session.execute(text("UPDATE relay_progress SET published_total = 1234567"))
    assert len(re.findall(r"<time.*?</time> – <time", browser.get("/messages").text)) == 1
    assert "<dd>1,234,567</dd>" in browser.get("/messages?lang=en").text
    assert "<dd>1\N{NO-BREAK SPACE}234\N{NO-BREAK SPACE}567</dd>" in browser.get("/messages?lang=ru").text


def test_a_letter_is_shown_with_headers_readable_body_and_history(house: House, admin: UUID) -> None:
    event = priced(fee_cents="many")
    letter = bury(house, event.to_bytes())
    api = house.api(admin)
    assert api.post(f"{LETTERS}/{letter}/replay").status_code == 202
    story = api.get(f"{LETTERS}/{letter}").json
    assert (story["id"], story["event"]) == (str(event.id), json.loads(event.to_bytes()))
    assert story["properties"]["sent_by"] == "billing"
    page = house.browser(admin).get(f"/messages/{letter}?lang=en").text
    assert "<dt>Sent by</dt><dd><code>billing</code></dd>" in page
    assert '\n    "fee_cents": "many",' in story["text"]
    assert (story["headers"], story["properties"]["app_id"]) == ({"subject": "x", "sequence": 1}, "billing")
    assert [(entry["action"], entry["actor_name"], entry["actor_id"]) for entry in story["history"]] == [
        ("died", None, None),
        ("replay_requested", "Ara", str(admin)),
    ]


def test_groups_are_counted_and_decided_about_together(house: House, admin: UUID) -> None:
    for _ in range(3):
        bury(house, priced().to_bytes())
    other = bury(house, b"parrot", TooLarge("never"), type="")
    api = house.api(admin)
    groups = api.get(f"{LETTERS}/groups").json["items"]
    assert [(group["type"], group["reason"], group["count"]) for group in groups] == [
        (PRICED, "schema-invalid", 3),
        ("", "too-large", 1),
    ]
    answer = api.post(f"{LETTERS}/replay", {"type": PRICED, "reason": "schema-invalid"})
    assert (answer.status_code, answer.json) == (202, {"requested": 3, "state": "replay_requested"})
    assert states(house)[other] == State.DEAD
    assert api.post(f"{LETTERS}/discard").json["requested"] == 1
    assert api.post(f"{LETTERS}/replay").json["requested"] == 0


def test_a_selection_that_is_not_understood_is_not_taken_for_all(house: House, admin: UUID) -> None:
    letter = bury(house, priced().to_bytes())
    api = house.api(admin)
    assert api.post(f"{LETTERS}/discard", {"reasn": "too-large"}).status_code == 422
    client, headers = house.app.test_client(), api._headers
    for what in ("replay", "discard", "gradual-replay"):
        for sent in ({"data": {"reason": "too-large"}}, {"data": '{"reason": "too-large"}'}):
            answer = client.post(f"/api/v1{LETTERS}/{what}", headers=headers, **sent)
            assert answer.status_code == 415
    note = {"type": PRICED, "text": "Ask Rio"}
    assert client.put(f"/api/v1{LETTERS}/note", headers=headers, data=note).status_code == 415
    assert states(house) == {letter: State.DEAD}


def test_an_edited_event_is_validated_again(house: House, admin: UUID) -> None:
    event = priced(fee_cents="many")
    letter = bury(house, event.to_bytes())
    api = house.api(admin)
    url = f"{LETTERS}/{letter}/replay"
    envelope = json.loads(event.to_bytes())
    for changes, complaint in (
        (envelope, "fee_cents"),
        ({**envelope, "type": "billing.task_burnt.v1"}, "no schema"),
        ({**envelope, "sequence": "first"}, "sequence"),
        ({**envelope, "time": "0001-01-01T00:00:00+05:00"}, "time"),
        ({**envelope, "time": "9999-12-31T23:59:59-14:00"}, "time"),
        ({**envelope, "time": "0001-01-01T00:00:00Z"}, "time"),
        ({**envelope, "traceparent": "\ud800"}, "cannot be kept"),
        ([], "JSON object"),
    ):
        refused = api.post(url, changes)
        assert (refused.status_code, list(refused.json["errors"])) == (422, ["event"])
        assert complaint in refused.json["errors"]["event"][0]
    assert house.app.test_client().post(f"/api/v1{url}", headers=api._headers, data="{").status_code == 422
    assert states(house) == {letter: State.DEAD}
    envelope["data"]["fee_cents"] = 1500
    answer = api.post(url, envelope)
    assert (answer.status_code, answer.json["state"]) == (202, "replay_requested")
    story = api.get(f"{LETTERS}/{letter}").json
    sent = json.loads(story["replacement"])
    assert sent["id"] == answer.json["event_id"] != envelope["id"]
    assert (sent["causationid"], sent["correlationid"]) == (envelope["id"], envelope["correlationid"])
    assert story["history"][-1]["detail"] == sent["id"]


@pytest.mark.parametrize("nothing", [{"json": {}}, {"json": None}, {}])
def test_a_body_with_nothing_in_it_edits_nothing(house: House, admin: UUID, nothing: dict[str, Any]) -> None:
    letter = bury(house, priced().to_bytes())
    answer = house.app.test_client().post(
        f"/api/v1{LETTERS}/{letter}/replay", headers=house.api(admin)._headers, **nothing
    )
    assert (answer.status_code, "event_id" in answer.get_json()) == (202, False)


def test_what_people_decided_cannot_be_rewritten(house: House, admin: UUID) -> None:
    letter = bury(house, priced().to_bytes())
    house.api(admin).post(f"{LETTERS}/{letter}/replay")
    for statement in ("UPDATE dead_letter_action SET actor_name = 'Rio'", "DELETE FROM dead_letter_action"):
        with pytest.raises(ProgrammingError, match="permission denied"), house.database.transaction() as session:
            session.execute(text(statement))


def test_hostile_bodies_are_shown_and_break_nothing(house: House, admin: UUID) -> None:
    bodies = [b'{"a": "\\ud800<script>"}', b"[" * 50_000, b'{"a": NaN}', b"\xff\0", b" " * (MAX_BYTES + 5), b'"nut"']
    letters = [bury(house, body) for body in bodies]
    deep = bury(house, b'{"a":' * 900 + b"1" + b"}" * 900)
    api, browser = house.api(admin), house.browser(admin)
    assert len(api.get(LETTERS).json["items"]) == 7
    for letter in (*letters, deep):
        assert api.get(f"{LETTERS}/{letter}").status_code == 200
        page = browser.get(f"/messages/{letter}?lang=en")
        assert page.status_code == 200
        assert "<script>" not in page.text.replace("<script src", "")
    assert f"It has {MAX_BYTES + 5} bytes" in browser.get(f"/messages/{letters[4]}?lang=en").text


def test_the_page_shows_groups_letters_and_who_decided(house: House, admin: UUID) -> None:
    browser = house.browser(admin)
    assert "No dead letters" in browser.get("/messages?lang=en").text
    letters = [bury(house, priced().to_bytes()) for _ in range(30)]
    bury(house, b"parrot", TooLarge("too much parrot"), type="")
    page = browser.get("/messages").text
    assert page.count(f"/messages/{letters[0]}") == 1
    assert str(letters[25]) not in page
    assert "does not fit its schema" in page
    link = re.search(r'href="([^"]*cursor=[^"]*)" rel="next"', page)
    assert link
    assert str(letters[25]) in browser.get(link[1].replace("&amp;", "&")).text
    filtered = browser.get("/messages?reason=too-large").text
    assert "too much parrot" in filtered
    assert str(letters[0]) not in filtered
    form = re.search(r'action="/messages/replay">(.*?)</form>', page.split('id="groups"')[1].split("<tbody>")[1], re.S)
    assert form
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form[1]))
    later = bury(house, priced().to_bytes())
    done = browser.post("/messages/replay", data=fields, follow_redirects=True).text
    assert "30 dead letters will be handled once more." in done
    assert states(house)[later] == State.DEAD
    assert re.search(r"<td[^>]*><bdi>Ara</bdi></td>\s*<td[^>]*>replay requested</td>\s*<td[^>]*>30</td>", done)
    assert 'hx-trigger="every 2s"' in done


def test_the_page_names_the_types_that_nobody_knows(house: House, admin: UUID) -> None:
    browser = house.browser(admin)
    bury(house, priced().to_bytes())
    assert "of types that nobody knows here" not in browser.get("/messages").text
    bury(house, b"{}", UnknownType("nobody listens to 'tracker.task_burnt.v1'"), type="tracker.task_burnt.v1")
    page = browser.get("/messages").text
    assert re.search(r"of types that nobody knows here:\s*<code>tracker.task_burnt.v1</code></p>", page)


def test_discarding_a_group_is_asked_about_first(house: House, admin: UUID) -> None:
    letters = [bury(house, priced().to_bytes()) for _ in range(2)]
    browser = house.browser(admin)
    link = re.search(r'href="(/messages/discard\?[^"]*)"', browser.get("/messages?lang=en").text)
    assert link
    question = browser.get(link[1].replace("&amp;", "&")).text
    assert "Discard 2 dead letters?" in question
    assert set(states(house).values()) == {State.DEAD}
    fields = dict(
        re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', question.split('action="/messages/discard"')[1])
    )
    assert set(fields) >= {"type", "reason", "up_to"}
    assert (
        "2 dead letters were discarded." in browser.post("/messages/discard", data=fields, follow_redirects=True).text
    )
    assert states(house) == dict.fromkeys(letters, State.DISCARDED)


def test_a_letter_is_decided_about_on_its_page(house: House, admin: UUID) -> None:
    letter = bury(house, priced().to_bytes())
    browser = house.browser(admin)
    assert "/edit" in browser.get(f"/messages/{letter}?lang=en").text
    done = browser.post(f"/messages/{letter}/discard", follow_redirects=True).text
    assert "Its record stays." in done
    assert re.search(r'<span class="badge[^"]*">discarded</span>', done)
    assert "/edit" not in done
    again = browser.post(f"/messages/{letter}/replay", follow_redirects=True).text
    assert "This dead letter was replayed or discarded before." in again
    assert browser.get(f"/messages/{uuid4()}").status_code == 404


def test_the_form_of_an_edited_event_keeps_what_was_typed_and_says_what_is_wrong(house: House, admin: UUID) -> None:
    event = priced(fee_cents="many")
    letter = bury(house, event.to_bytes())
    browser = house.browser(admin)
    typed = json.dumps({**json.loads(event.to_bytes()), "data": {"fee_cents": "a few"}})
    refused = browser.post(f"/messages/{letter}/edit?lang=en", data={"event": typed})
    assert refused.status_code == 422
    assert "The event would die again" in refused.text
    assert "a few" in refused.text
    opened = browser.get(f"/messages/{letter}/edit?lang=en")
    assert (opened.status_code, opened.location) == (302, f"/messages/{letter}")
    assert "This is not JSON." in browser.post(f"/messages/{letter}/edit", data={"event": "{"}).text
    mended = event.to_bytes().replace(b'"many"', b"1500").decode()
    assert "on its way" in browser.post(f"/messages/{letter}/edit", data={"event": mended}, follow_redirects=True).text
    assert states(house)[letter] == State.REPLAYED


def test_a_form_without_its_token_changes_nothing(house: House, admin: UUID) -> None:
    letter = bury(house, priced().to_bytes())
    browser = house.browser(admin)
    house.app.config["WTF_CSRF_ENABLED"] = True
    for path in (f"/messages/{letter}/replay", f"/messages/{letter}/discard", "/messages/replay", "/messages/discard"):
        assert browser.post(path).status_code == 400
    assert states(house) == {letter: State.DEAD}


def test_the_pages_speak_russian(house: House, admin: UUID) -> None:
    letter = bury(house, priced().to_bytes())
    browser = house.browser(admin)
    assert "Мёртвые письма" in browser.get("/messages?lang=ru").text
    assert "Что с ним было" in browser.get(f"/messages/{letter}").text
