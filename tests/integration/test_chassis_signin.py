"""Signing in to the pages of a service, over real HTTP to something that answers like auth."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
import time_machine
from flask import Flask, Response, jsonify, request
from flask.testing import FlaskClient
from joserfc.jwk import KeySet, KeySetSerialization
from werkzeug.serving import make_server
from werkzeug.test import Cookie, TestResponse

from chassis.db import utc_now
from tests.chassis_parts import KESHA, KEY, People, bearer, demo_app, page_session, settings, token


class Auth:
    """An authorization server with one code to give: it checks PKCE as RFC 7636 says."""

    def __init__(self) -> None:
        self.challenges: set[str] = set()
        self.claims: dict[str, object] = {"sid": str(uuid4())}
        self.session_goes_on = True
        self.asked: list[dict[str, str]] = []

    def app(self) -> Flask:
        app = Flask("auth")

        @app.post("/oauth/token")
        def exchange() -> Response | tuple[Response, int]:
            self.asked.append(request.form.to_dict())
            hashed = hashlib.sha256(request.form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
            if request.form["code"] != "the-code" or challenge not in self.challenges:
                return jsonify(error="invalid_grant"), 400
            return jsonify(access_token=token(KEY, **self.claims), token_type="Bearer", expires_in=300)

        @app.get("/.well-known/jwks.json")
        def jwks() -> KeySetSerialization:
            return KeySet([KEY]).as_dict(private=False)

        @app.get("/api/v1/sessions/<uuid:session_id>")
        def session(session_id: UUID) -> dict[str, bool]:
            return {"active": self.session_goes_on and str(session_id) == self.claims["sid"]}

        return app


@pytest.fixture
def auth() -> Auth:
    return Auth()


@pytest.fixture
def address(auth: Auth) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, auth.app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def people() -> People:
    return People()


@pytest.fixture
def client(address: str, people: People, tmp_path: Path) -> FlaskClient:
    return demo_app(settings(tmp_path, ATES_URL_AUTH=address), people, jwks=None).test_client()


def begin(client: FlaskClient, auth: Auth, path: str = "/sign-in") -> dict[str, str]:
    """Go to the sign-in; return the query that the browser brings to auth."""
    url = urlsplit(client.get(path).headers["Location"])
    assert url.path == "/oauth/authorize"
    query = {name: values[0] for name, values in parse_qs(url.query).items()}
    auth.challenges.add(query["code_challenge"])
    return query


def come_back(client: FlaskClient, query: dict[str, str], code: str = "the-code") -> TestResponse:
    return client.get("/sign-in/callback", query_string={"code": code, "state": query["state"]})


def test_a_person_signs_in_and_is_back_on_the_page_that_was_wanted(client: FlaskClient, auth: Auth) -> None:
    wanted = client.get("/?day=2026-11-21").headers["Location"]
    query = begin(client, auth, wanted)
    assert query["response_type"] == "code"
    assert query["client_id"] == "tracker"
    assert query["redirect_uri"] == "http://127.0.0.1:8002/sign-in/callback"
    assert query["code_challenge_method"] == "S256"
    assert come_back(client, query).headers["Location"] == "/?day=2026-11-21"
    assert client.get("/").text == "hello Kesha, popug"
    assert auth.asked[0]["redirect_uri"] == query["redirect_uri"]


def test_a_browser_goes_to_auths_public_address_and_the_service_asks_at_the_internal_one(
    address: str, auth: Auth, people: People, tmp_path: Path
) -> None:
    apart = settings(tmp_path, ATES_URL_AUTH="https://auth.example.org", ATES_INTERNAL_URL_AUTH=address)
    client = demo_app(apart, people, jwks=None).test_client()
    assert client.get("/sign-in").headers["Location"].startswith("https://auth.example.org/oauth/authorize?")
    come_back(client, begin(client, auth))
    assert client.get("/").text == "hello Kesha, popug"


def test_nobody_is_led_to_another_site_after_the_sign_in(client: FlaskClient, auth: Auth) -> None:
    query = begin(client, auth, "/sign-in?next=//evil.example/")
    assert come_back(client, query).headers["Location"] == "/"


def test_a_code_is_worth_nothing_in_another_browser(client: FlaskClient, auth: Auth) -> None:
    query = begin(client, auth)
    stranger = client.application.test_client()
    answer = come_back(stranger, query)
    assert answer.status_code == 400
    assert auth.asked == []
    assert stranger.get("/").status_code == 302


def test_a_sign_in_serves_once(client: FlaskClient, auth: Auth) -> None:
    query = begin(client, auth)
    come_back(client, query)
    assert come_back(client, query).headers["Location"] == "/"
    assert len(auth.asked) == 1


def test_two_sign_ins_in_two_tabs_both_work(client: FlaskClient, auth: Auth) -> None:
    first = begin(client, auth)
    second = begin(client, auth)
    assert come_back(client, first).headers["Location"] == "/"
    assert come_back(client, second).headers["Location"] == "/"
    assert client.get("/").text == "hello Kesha, popug"


def started(client: FlaskClient) -> list[Cookie]:
    """The cookies of sign-ins that this browser has begun and not finished."""
    return [cookie for cookie in (client._cookies or {}).values() if cookie.key.startswith("tracker_sign_in_")]


def test_three_tabs_that_were_opened_at_once_on_a_slow_line_all_sign_in(
    client: FlaskClient, auth: Auth, address: str
) -> None:
    """None of the requests knows the cookies of the others, and each goes back to the page that it wanted."""
    tabs = []
    for day in (1, 2, 3):
        tab = client.application.test_client()
        tabs.append((day, begin(tab, auth, f"/sign-in?next=/?day={day}")))
        (cookie,) = started(tab)
        client.set_cookie(cookie.key, cookie.value, path=cookie.path)
    for day, query in tabs:
        assert come_back(client, query).headers["Location"] == f"/?day={day}"
        assert client.get("/").text == "hello Kesha, popug"
    assert started(client) == []


def test_sign_ins_that_nobody_finishes_do_not_pile_up_in_the_browser(client: FlaskClient, auth: Auth) -> None:
    queries = [begin(client, auth) for _ in range(15)]
    assert len(started(client)) == 5
    assert come_back(client, queries[0]).status_code == 400
    assert come_back(client, queries[-1]).status_code == 302


def test_a_page_with_an_endless_address_does_not_make_the_sign_in_impossible(client: FlaskClient, auth: Auth) -> None:
    query = begin(client, auth, f"/sign-in?next=/{'x' * 5000}")
    assert come_back(client, query).headers["Location"] == "/"


def test_a_sign_in_is_to_be_finished_within_ten_minutes(client: FlaskClient, auth: Auth) -> None:
    query = begin(client, auth)
    with time_machine.travel(utc_now() + timedelta(minutes=11)):
        assert come_back(client, query).status_code == 400


def test_a_code_that_auth_does_not_know_signs_nobody_in(client: FlaskClient, auth: Auth) -> None:
    query = begin(client, auth)
    assert come_back(client, query, code="guessed").status_code == 400
    assert client.get("/").status_code == 302


def test_a_token_that_is_not_for_us_signs_nobody_in(client: FlaskClient, auth: Auth) -> None:
    auth.claims["aud"] = "somebody-else"
    query = begin(client, auth)
    assert come_back(client, query).status_code == 400
    assert client.get("/").status_code == 302


def test_a_refusal_of_auth_is_shown(client: FlaskClient, auth: Auth) -> None:
    query = begin(client, auth)
    answer = client.get("/sign-in/callback", query_string={"error": "access_denied", "state": query["state"]})
    assert answer.status_code == 400


def test_a_sign_in_while_auth_is_away_can_be_tried_again(people: People, tmp_path: Path) -> None:
    client = demo_app(settings(tmp_path, ATES_URL_AUTH="http://127.0.0.1:1"), people, jwks=None).test_client()
    query = parse_qs(urlsplit(client.get("/sign-in").headers["Location"]).query)
    answer = client.get("/sign-in/callback", query_string={"code": "the-code", "state": query["state"][0]})
    assert answer.status_code == 503


def test_a_blocked_user_does_not_get_in_with_a_fresh_token(client: FlaskClient, auth: Auth, people: People) -> None:
    people.know(status="blocked")
    assert "blocked" in come_back(client, begin(client, auth)).text
    assert client.get("/").status_code == 302


def test_signing_out_ends_the_session_here_and_goes_on_to_auth(client: FlaskClient, auth: Auth, address: str) -> None:
    come_back(client, begin(client, auth))
    page = client.get("/nowhere").text
    csrf = page.split('name="csrf_token" value="')[1].split('"')[0]
    answer = client.post("/sign-out", data={"csrf_token": csrf})
    assert answer.headers["Location"].startswith(f"{address}/sign-out")
    ended = " ".join(answer.headers.getlist("Set-Cookie"))
    assert "billing_session=;" in ended
    assert "analytics_session=;" in ended
    assert client.get("/").status_code == 302


def signed_in(client: FlaskClient, auth: Auth, *, ago: float = 0) -> None:
    """Let a person have signed in so many seconds ago, and have done nothing since."""
    come_back(client, begin(client, auth))
    with client.session_transaction() as cookie:
        cookie["confirmed_at"] -= ago


def send_form(client: FlaskClient) -> TestResponse:
    return client.post("/feed", headers={"Sec-Fetch-Site": "same-origin"})


def test_who_was_blocked_or_has_signed_out_is_shut_out_within_a_minute_without_any_event(
    client: FlaskClient, auth: Auth
) -> None:
    signed_in(client, auth, ago=45)
    auth.session_goes_on = False
    assert send_form(client).status_code == 302
    assert client.get("/").status_code == 302
    auth.session_goes_on = True
    auth.claims["sid"] = str(uuid4())
    signed_in(client, auth)
    assert client.get("/").status_code == 200


def test_a_token_is_checked_with_auth_within_a_minute_too(client: FlaskClient, auth: Auth) -> None:
    issued_at = int(utc_now().timestamp()) - 45
    headers = bearer(**auth.claims, iat=issued_at, exp=issued_at + 300)
    assert client.get("/api/v1/things/whoami", headers=headers).status_code == 200
    of_another_session = bearer(sid=str(uuid4()), iat=issued_at, exp=issued_at + 300)
    answer = client.get("/api/v1/things/whoami", headers=of_another_session)
    assert answer.status_code == 401
    assert answer.get_json()["type"] == "urn:ates:problem:session-ended"


def test_a_form_that_took_an_hour_to_fill_in_is_not_lost(client: FlaskClient, auth: Auth) -> None:
    signed_in(client, auth, ago=3600)
    assert send_form(client).text == "fed"
    with client.session_transaction() as cookie:
        assert utc_now().timestamp() - cookie["confirmed_at"] < 60


def test_a_form_that_comes_late_while_auth_is_away_can_be_sent_again(people: People, tmp_path: Path) -> None:
    app = demo_app(settings(tmp_path, ATES_URL_AUTH="http://127.0.0.1:1"), people, jwks=None)
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie.update(page_session(KESHA))
        cookie["confirmed_at"] -= 240
    assert send_form(client).text == "fed"
    with client.session_transaction() as cookie:
        cookie["confirmed_at"] -= 240
    answer = send_form(client)
    assert answer.status_code == 503
    assert "Retry-After" in answer.headers


def test_a_copied_cookie_is_worth_nothing_after_the_sign_out_of_its_owner(client: FlaskClient, auth: Auth) -> None:
    signed_in(client, auth)
    with client.session_transaction() as cookie:
        copied = dict(cookie)
    thief = client.application.test_client()
    with thief.session_transaction() as cookie:
        cookie.update(copied)
    assert thief.get("/").status_code == 200
    client.post("/sign-out", headers={"Sec-Fetch-Site": "same-origin"})
    assert thief.get("/").status_code == 302
