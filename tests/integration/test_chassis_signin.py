"""Signing in to the pages of a service, over real HTTP to something that answers like auth."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask, Response, jsonify, request
from flask.testing import FlaskClient
from joserfc.jwk import KeySet, KeySetSerialization
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from tests.chassis_parts import KEY, People, demo_app, settings, token


class Auth:
    """An authorization server with one code to give: it checks PKCE as RFC 7636 says."""

    def __init__(self) -> None:
        self.challenge = ""
        self.claims: dict[str, object] = {}
        self.asked: list[dict[str, str]] = []

    def app(self) -> Flask:
        app = Flask("auth")

        @app.post("/oauth/token")
        def exchange() -> Response | tuple[Response, int]:
            self.asked.append(request.form.to_dict())
            hashed = hashlib.sha256(request.form["code_verifier"].encode()).digest()
            challenge = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
            if request.form["code"] != "the-code" or challenge != self.challenge:
                return jsonify(error="invalid_grant"), 400
            return jsonify(access_token=token(KEY, **self.claims), token_type="Bearer", expires_in=300)

        @app.get("/.well-known/jwks.json")
        def jwks() -> KeySetSerialization:
            return KeySet([KEY]).as_dict(private=False)

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
    auth.challenge = query["code_challenge"]
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
    challenge = auth.challenge
    second = begin(client, auth)
    auth.challenge = challenge
    assert come_back(client, first).status_code == 302
    assert come_back(client, second).headers["Location"] == "/"
    assert client.get("/").text == "hello Kesha, popug"


def test_a_code_that_auth_does_not_know_signs_nobody_in(client: FlaskClient, auth: Auth) -> None:
    query = begin(client, auth)
    assert come_back(client, query, code="guessed").status_code == 400
    assert client.get("/").status_code == 302


def test_a_token_that_is_not_for_us_signs_nobody_in(client: FlaskClient, auth: Auth) -> None:
    auth.claims = {"aud": "somebody-else"}
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
