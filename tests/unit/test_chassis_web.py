"""What every service's web application does, whatever it is about."""

import re
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from chassis.signin import local_path
from messaging import current_context
from tests.chassis_parts import KESHA, People, bearer, demo_app, settings

PROBLEM = "application/problem+json"


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def app(people: People, tmp_path: Path) -> Flask:
    return demo_app(settings(tmp_path), people)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def test_the_api_wants_a_token_and_says_so(client: FlaskClient) -> None:
    answer = client.get("/api/v1/things/whoami")
    assert (answer.status_code, answer.mimetype) == (401, PROBLEM)
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.get_json()["title"] == "Sign in first"


def test_a_token_serves_until_the_replica_knows_the_user(client: FlaskClient) -> None:
    assert client.get("/api/v1/things/whoami", headers=bearer(role="boss")).json == {"name": "Kesha", "role": "boss"}


def test_the_replica_overrides_the_role_of_the_token(client: FlaskClient, people: People) -> None:
    people.know(role="popug", name="Kesha the Green")
    answer = client.get("/api/v1/things/whoami", headers=bearer(role="admin"))
    assert answer.json == {"name": "Kesha the Green", "role": "popug"}
    assert client.get("/api/v1/things/for-admins", headers=bearer(role="admin")).status_code == 403


def test_a_blocked_user_is_refused_with_a_token_that_has_not_expired(client: FlaskClient, people: People) -> None:
    people.know(status="blocked")
    answer = client.get("/api/v1/things/whoami", headers=bearer())
    assert answer.status_code == 401
    assert answer.get_json()["type"] == "urn:ates:problem:blocked"


def test_a_session_of_the_pages_is_worth_nothing_in_the_api(client: FlaskClient) -> None:
    client.get("/enter")
    assert client.get("/api/v1/things/whoami").status_code == 401


def test_another_role_is_told_which_one_is_needed(client: FlaskClient) -> None:
    answer = client.get("/api/v1/things/for-admins", headers=bearer(role="popug"))
    assert answer.status_code == 403
    assert answer.get_json()["detail"] == "This is only for the roles admin; yours is popug."


def test_an_error_of_a_command_is_a_problem(client: FlaskClient) -> None:
    answer = client.post("/api/v1/things", json={"title": "twice"})
    assert (answer.status_code, answer.mimetype) == (409, PROBLEM)
    assert answer.json == {
        "type": "urn:ates:problem:conflict",
        "title": "Not possible at the moment",
        "status": 409,
        "detail": "There is one called twice.",
    }


def test_a_broken_rule_names_the_field(client: FlaskClient) -> None:
    answer = client.post("/api/v1/things", json={"title": "[x]"})
    assert answer.status_code == 422
    assert answer.get_json()["errors"] == {"title": ["No brackets."]}


def test_bad_input_names_each_field_by_its_path(client: FlaskClient) -> None:
    answer = client.post("/api/v1/things", json={"owner": {}, "colour": "green"})
    assert (answer.status_code, answer.mimetype) == (422, PROBLEM)
    assert set(answer.get_json()["errors"]) == {"title", "owner.name", "colour"}


@pytest.mark.parametrize("path", ["/api/nowhere", "/api/v1/things/nowhere"])
def test_an_address_that_leads_nowhere_is_a_problem_in_the_api(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.mimetype) == (404, PROBLEM)


def test_a_body_that_is_not_json_is_a_problem(client: FlaskClient) -> None:
    answer = client.post("/api/v1/things", data="{", content_type="application/json")
    assert (answer.status_code, answer.mimetype) == (400, PROBLEM)


def test_a_fault_of_ours_tells_nothing_of_the_inside(app: Flask) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = app.test_client().post("/api/v1/things", json={"title": "broken"})
    assert (answer.status_code, answer.mimetype) == (500, PROBLEM)
    assert "secret" not in answer.text


def test_a_database_that_is_away_is_worth_another_try(client: FlaskClient) -> None:
    answer = client.get("/api/v1/messages/outbox", headers=bearer(role="admin"))
    assert (answer.status_code, answer.mimetype) == (503, PROBLEM)
    assert answer.headers["Retry-After"]


def test_a_page_leads_to_the_sign_in_and_back(client: FlaskClient) -> None:
    answer = client.get("/?day=2026-11-21")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/sign-in?next=/%3Fday%3D2026-11-21"


def test_a_part_of_a_page_makes_htmx_lead_to_the_sign_in(client: FlaskClient) -> None:
    answer = client.get("/", headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/sign-in"


def test_a_page_session_serves_until_the_replica_knows_the_user(client: FlaskClient, people: People) -> None:
    client.get("/enter")
    assert client.get("/").text == "hello Kesha, popug"
    people.know(role="manager")
    assert client.get("/").text == "hello Kesha, manager"


def test_a_blocked_user_is_signed_out_of_the_pages_for_good(client: FlaskClient, people: People) -> None:
    client.get("/enter")
    people.know(status="blocked")
    assert client.get("/").status_code == 302
    people.know(status="active")
    assert client.get("/").status_code == 302


def test_the_session_cookie_is_named_after_the_service_and_kept_from_scripts(client: FlaskClient) -> None:
    cookie = client.get("/enter").headers["Set-Cookie"]
    assert cookie.startswith("tracker_session=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_a_form_without_the_token_of_its_page_is_refused(client: FlaskClient) -> None:
    assert client.post("/feed").status_code == 400


def test_a_form_with_the_token_of_its_page_is_accepted(client: FlaskClient) -> None:
    client.get("/enter")
    page = client.get("/nowhere").text
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found is not None
    assert client.post("/feed", data={"csrf_token": found.group(1)}).text == "fed"


def test_a_person_gets_a_page_where_a_program_gets_a_problem(client: FlaskClient) -> None:
    assert client.get("/nowhere").mimetype == "text/html"
    assert client.get("/nowhere", headers={"Accept": "application/json"}).mimetype == PROBLEM


def test_a_page_runs_no_script_but_ours(client: FlaskClient) -> None:
    policy = client.get("/nowhere").headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("path", ["/", "/nowhere", "/enter", "/api/v1/things/whoami", "/api/nowhere", "/readyz"])
def test_nothing_about_people_is_kept_anywhere(client: FlaskClient, path: str) -> None:
    for headers in ({}, bearer()):
        assert client.get(path, headers=headers).headers["Cache-Control"] == "no-store"


def test_what_is_the_same_for_everybody_may_be_kept(client: FlaskClient) -> None:
    with client.get("/static/ates.css") as style:
        assert "no-store" not in style.headers["Cache-Control"]


def test_a_page_asks_nothing_of_other_hosts(client: FlaskClient) -> None:
    client.get("/enter")
    for path in ("/nowhere", "/api/docs"):
        assert not re.search(r'(src|<link[^>]*href)="(https?:)?//', client.get(path).text)


def test_the_language_is_asked_for_kept_and_guessed(client: FlaskClient) -> None:
    assert 'lang="en"' in client.get("/nowhere").text
    assert '<html lang="ru">' in client.get("/nowhere", headers={"Accept-Language": "ru,en;q=0.5"}).text
    client.get("/nowhere?lang=ru")
    assert '<html lang="ru">' in client.get("/nowhere", headers={"Accept-Language": "en"}).text


def test_a_language_that_we_do_not_speak_is_not_kept(client: FlaskClient) -> None:
    assert "Set-Cookie" not in client.get("/nowhere?lang=fr").headers


@pytest.mark.parametrize(
    ("role", "texts"),
    [("popug", ["Tasks", "Accounts"]), ("admin", ["Tasks", "Accounts", "Analytics", "Users", "Operations"])],
)
def test_the_header_leads_to_what_the_role_may_see(
    client: FlaskClient, people: People, role: str, texts: list[str]
) -> None:
    people.know(role=role)
    client.get("/enter")
    navigation = client.get("/nowhere").text.split("<nav")[1].split("</nav>")[0]
    assert re.findall(r">([^<>\s]+)(?: <span[^>]*>[^<>]*</span>)?</a>", navigation) == texts


def test_the_correlation_id_of_the_caller_is_kept(client: FlaskClient) -> None:
    mine = uuid4()
    assert client.get("/livez", headers={"X-Request-ID": str(mine)}).headers["X-Request-ID"] == str(mine)


def test_a_caller_without_a_correlation_id_gets_one(client: FlaskClient) -> None:
    assert UUID(client.get("/livez", headers={"X-Request-ID": "<script>"}).headers["X-Request-ID"])


def test_events_made_in_a_request_carry_its_correlation_id(app: Flask) -> None:
    seen = []
    app.before_request(lambda: seen.append(current_context().correlation_id))
    answer = app.test_client().get("/livez")
    assert answer.headers["X-Request-ID"] == str(seen[0])
    assert current_context().correlation_id is None


def test_a_service_is_alive_though_not_ready_without_its_database(client: FlaskClient) -> None:
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_probes_and_metrics_tell_nothing_of_people_to_whoever_asks(client: FlaskClient, path: str) -> None:
    client.get(f"/api/v1/things/{uuid4()}", headers=bearer(name="Swordfish"))
    client.get("/enter?email=swordfish@uberpopug.example")
    client.get("/swordfish")
    told = client.get(path).text.lower()
    assert "swordfish" not in told
    assert str(KESHA) not in told
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", told)


def test_requests_are_counted_by_route(client: FlaskClient) -> None:
    client.get("/api/v1/things/whoami")
    assert 'route="/api/v1/things/whoami"' in client.get("/metrics").text


def test_the_description_of_the_api_is_complete(client: FlaskClient) -> None:
    described = client.get("/api/openapi.json").get_json()
    assert described["openapi"] == "3.1.0"
    assert {"/api/v1/things", "/api/v1/messages/outbox", "/api/v1/messages/dead-letters"} <= set(described["paths"])
    assert list(described["components"]["responses"]["DEFAULT_ERROR"]["content"]) == [PROBLEM]
    assert described["security"] == [{"token": []}]


@pytest.mark.parametrize("path", ["/", "/tasks/1?day=2026-11-21", "/задачи"])
def test_after_the_sign_in_a_person_is_back_where_they_were(path: str) -> None:
    assert local_path(path) == path


@pytest.mark.parametrize(
    "url",
    [None, "", "tasks", "//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil", "/a\n", "\\/evil"],
)
def test_after_the_sign_in_nobody_is_led_to_another_site(url: str | None) -> None:
    assert local_path(url) == "/"
