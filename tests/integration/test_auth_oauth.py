"""Auth as a provider of OAuth 2.0 and OpenID Connect: what a client gets, and what misuse gets."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import time_machine
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import func, select

from auth_service.app import create_app
from auth_service.demo.parrot import draw_parrot
from auth_service.jobs import forget_expired
from auth_service.models import AuthorizationCode, SigningKey
from chassis.db import utc_now
from tests.integration.auth_house import Api, House

VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CALLBACK = "http://127.0.0.1:8002/sign-in/callback"
REQUEST = {
    "response_type": "code",
    "client_id": "tracker",
    "redirect_uri": CALLBACK,
    "scope": "openid profile email",
    "state": "xyz",
    "nonce": "n-1",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}


@pytest.fixture
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("auth"))
    yield house
    house.close()


def authorize(client: Any, **changes: str | None) -> Any:
    """The answer to an authorization request; None leaves a parameter out."""
    query = {name: value for name, value in {**REQUEST, **changes}.items() if value is not None}
    return client.get(f"/oauth/authorize?{urlencode(query)}")


def answer_in(response: Any) -> dict[str, str]:
    """What the browser brings back to the client."""
    assert response.status_code == 302
    assert response.location.startswith(f"{CALLBACK}?")
    return dict(parse_qsl(urlsplit(response.location).query))


def code_for(house: House, key: str = "root") -> str:
    return answer_in(authorize(house.browser(key)))["code"]


def redeem(house: House, code: str | None, **changes: str | None) -> Any:
    form = {
        "grant_type": "authorization_code",
        "client_id": "tracker",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
        **changes,
    }
    sent = {name: value for name, value in form.items() if value is not None}
    return house.app.test_client().post("/oauth/token", data=sent)


def keys(house: House) -> KeySet:
    return KeySet.import_key_set(house.app.test_client().get("/.well-known/jwks.json").get_json())


def introspect(house: House, token: str, *, key: str = "root") -> dict[str, Any]:
    answer = house.api(key).form("/oauth/introspect", token=token)
    assert answer.status_code == 200
    return dict(answer.json)


def test_a_client_exchanges_its_code_for_tokens_that_the_public_keys_verify(house: House) -> None:
    brought = answer_in(authorize(house.browser()))
    assert brought["state"] == "xyz"
    assert brought["iss"] == "http://127.0.0.1:8001"
    tokens = redeem(house, brought["code"])
    assert tokens.status_code == 200
    assert tokens.headers["Cache-Control"] == "no-store"
    assert tokens.json["token_type"] == "Bearer"
    assert tokens.json["expires_in"] == 300
    assert tokens.json["scope"] == "openid profile"
    access = jwt.decode(tokens.json["access_token"], keys(house), algorithms=["ES256"]).claims
    assert access["iss"] == "ates-auth"
    assert access["aud"] == "ates"
    assert access["sub"] == str(house.root)
    assert (access["name"], access["role"], access["client_id"]) == ("root", "admin", "tracker")
    assert access["exp"] - access["iat"] == 300
    identity = jwt.decode(tokens.json["id_token"], keys(house), algorithms=["ES256"]).claims
    assert identity["iss"] == "http://127.0.0.1:8001"
    assert identity["aud"] == "tracker"
    assert identity["nonce"] == "n-1"


def test_an_id_token_opens_nothing(house: House) -> None:
    token = redeem(house, code_for(house)).json["id_token"]
    answer = house.app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
    assert introspect(house, token) == {"active": False}


def test_who_is_not_signed_in_shows_the_beak_first_and_then_goes_on(house: House) -> None:
    browser = house.browser(None)
    to_sign_in = authorize(browser)
    assert to_sign_in.status_code == 302
    where = urlsplit(to_sign_in.location)
    assert where.path == "/sign-in"
    back = dict(parse_qsl(where.query))["next"]
    assert back.startswith("/oauth/authorize?")
    signed_in = browser.post("/sign-in", data={"photo": photo_of("root"), "next": back})
    assert signed_in.status_code == 303
    assert answer_in(browser.get(signed_in.location))["code"]
    assert answer_in(authorize(house.browser(None), prompt="none"))["error"] == "login_required"


def photo_of(key: str) -> tuple[BytesIO, str, str]:
    """A file field with the photo of this parrot."""
    return BytesIO(draw_parrot(key)), "beak.png", "image/png"


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "stranger"},
        {"client_id": None},
        {"client_id": "auth"},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/sign-in/callback"},
        {"redirect_uri": "http://127.0.0.1:8003/sign-in/callback"},
        {"redirect_uri": f"{CALLBACK}/"},
        {"redirect_uri": f"{CALLBACK}?x=1"},
        {"redirect_uri": "http://127.0.0.1:8002@evil.example/sign-in/callback"},
    ],
)
def test_the_browser_is_never_sent_to_where_no_client_lives(house: House, changes: dict[str, str | None]) -> None:
    response = authorize(house.browser(), **changes)
    assert response.status_code == 400
    assert "Location" not in response.headers


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"nonce": "a\0b"}, "invalid_request"),
        ({"nonce": "x" * 3_000}, "invalid_request"),
        ({"scope": "openid\0"}, "invalid_request"),
    ],
)
def test_a_faulty_request_of_a_known_client_goes_back_to_it(
    house: House, changes: dict[str, str | None], error: str
) -> None:
    brought = answer_in(authorize(house.browser(), **changes))
    assert brought["error"] == error
    assert brought["state"] == "xyz"
    assert "code" not in brought


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": CHALLENGE}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:8003/sign-in/callback"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"client_id": "billing"}, "invalid_grant"),
        ({"client_id": "stranger"}, "invalid_client"),
        ({"client_id": None}, "invalid_client"),
        ({"code": "guessed"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
    ],
)
def test_a_code_is_worth_nothing_without_everything_that_belongs_to_it(
    house: House, changes: dict[str, str | None], error: str
) -> None:
    answer = redeem(house, **{"code": code_for(house), **changes})
    assert answer.json == {"error": error}
    assert answer.status_code == (401 if error == "invalid_client" else 400)


def test_a_code_that_comes_twice_takes_its_token_away(house: House) -> None:
    code = code_for(house)
    token = redeem(house, code).json["access_token"]
    assert introspect(house, token)["active"] is True
    assert redeem(house, code).json == {"error": "invalid_grant"}
    assert introspect(house, token) == {"active": False}


def test_a_code_expires_after_a_minute(house: House) -> None:
    code = code_for(house)
    with time_machine.travel(utc_now() + timedelta(seconds=61)):
        assert redeem(house, code).json == {"error": "invalid_grant"}


def test_who_was_blocked_since_gets_no_token(house: House) -> None:
    kesha = house.person("kesha")
    code = code_for(house, "kesha")
    house.api().post(f"/users/{kesha}/block")
    house.api().post(f"/users/{kesha}/unblock")
    assert redeem(house, code).json == {"error": "invalid_grant"}


def test_introspection_tells_who_it_is_now(house: House) -> None:
    kesha = house.person("kesha")
    token = house.api("kesha").token
    house.api().patch(f"/users/{kesha}", {"role": "boss"})
    told = introspect(house, token)
    assert told["active"] is True
    assert (told["sub"], told["role"], told["token_type"]) == (str(kesha), "boss", "Bearer")
    house.api().post(f"/users/{kesha}/block")
    assert introspect(house, token) == {"active": False}
    assert introspect(house, "nonsense") == {"active": False}
    assert house.app.test_client().post("/oauth/introspect", data={"token": token}).status_code == 401


def test_a_revoked_token_counts_no_longer_and_ends_the_scripts_sign_in(house: House) -> None:
    house.person("kesha")
    token = house.api("kesha").token
    client = house.app.test_client()
    assert client.post("/oauth/revoke", data={"token": "nonsense"}).status_code == 200
    assert client.post("/oauth/revoke", data={"token": token, "client_id": "tracker"}).status_code == 401
    assert client.post("/oauth/revoke", data={"token": token}).status_code == 200
    assert client.post("/oauth/revoke", data={"token": token}).status_code == 200
    assert introspect(house, token) == {"active": False}
    assert [event.sequence for event in house.published("user_signed_out")] == [2]


def test_a_revoked_token_opens_nothing_in_auth_itself(house: House) -> None:
    house.person("kesha")
    root, other = house.api(), house.api("kesha").token
    pages_token = redeem(house, code_for(house)).json["access_token"]
    for token, client_id in ((root.token, None), (pages_token, "tracker")):
        assert Api(house.app.test_client(), token).get("/users").status_code == 200
        form = {"token": token} | ({"client_id": client_id} if client_id else {})
        assert house.app.test_client().post("/oauth/revoke", data=form).status_code == 200
        revoked = Api(house.app.test_client(), token)
        assert revoked.get("/users").status_code == 401
        assert revoked.post("/users", {"name": "M", "email": "m@evil.example", "role": "admin"}).status_code == 401
        assert revoked.form("/oauth/introspect", token=other).status_code == 401


def test_a_token_that_has_expired_is_not_active(house: House) -> None:
    token = redeem(house, code_for(house)).json["access_token"]
    with time_machine.travel(utc_now() + timedelta(minutes=6)):
        assert introspect(house, token) == {"active": False}


def test_signing_out_ends_what_came_of_the_sign_in(house: House) -> None:
    browser = house.browser()
    code = answer_in(authorize(browser))["code"]
    token = redeem(house, answer_in(authorize(browser))["code"]).json["access_token"]
    browser.post("/sign-out")
    assert redeem(house, code).json == {"error": "invalid_grant"}
    assert introspect(house, token) == {"active": False}
    assert Api(house.app.test_client(), token).get("/me").status_code == 401


def test_the_keys_are_made_once_and_their_private_part_stays_here(house: House) -> None:
    first = house.app.test_client().get("/.well-known/jwks.json").get_json()
    again = create_app(house.settings, house.database).test_client().get("/.well-known/jwks.json").json
    assert first == again
    assert len(first["keys"]) == 1
    assert not {"d"} & first["keys"][0].keys()
    with house.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SigningKey)) == 1


def test_discovery_tells_only_what_there_is(house: House) -> None:
    client = house.app.test_client()
    told = client.get("/.well-known/openid-configuration").get_json()
    assert told["issuer"] == "http://127.0.0.1:8001"
    assert told["code_challenge_methods_supported"] == ["S256"]
    rules = {rule.rule for rule in house.app.url_map.iter_rules()}
    addresses = [value for name, value in told.items() if name.endswith(("_endpoint", "_uri"))]
    assert {urlsplit(address).path for address in addresses} <= rules


def test_expired_codes_are_forgotten(house: House) -> None:
    code_for(house)
    forget_expired(house.database)
    with time_machine.travel(utc_now() + timedelta(hours=1)):
        count = select(func.count()).select_from(AuthorizationCode)
        with house.database.reading() as session:
            assert session.scalar(count) == 1
        forget_expired(house.database)
        with house.database.reading() as session:
            assert session.scalar(count) == 0
