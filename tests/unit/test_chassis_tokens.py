"""Access tokens are checked here, whether auth is up or not."""

import base64
import hmac
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
from joserfc.jwk import ECKey, KeySet

from chassis.errors import Unauthorized, Unavailable
from chassis.people import Claims, Role
from chassis.tokens import RemoteKeys, TokenVerifier
from tests.chassis_parts import KESHA, KEY, claims, token
from tests.waiting import eventually

VERIFIER = TokenVerifier(lambda key_id: KeySet([KEY]))


def test_a_good_token_says_who_comes() -> None:
    token_id, session_id = uuid4(), uuid4()
    issued_at = int(time.time())
    text = token(role="accountant", jti=str(token_id), sid=str(session_id), iat=issued_at)
    at = datetime.fromtimestamp(issued_at, UTC)
    assert VERIFIER.verify(text) == Claims(KESHA, "Kesha", Role.ACCOUNTANT, session_id, at, at, token_id)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 60},
        {"exp": None},
        {"aud": "somebody-else"},
        {"aud": None},
        {"iss": "not-auth"},
        {"iss": None},
        {"sub": None},
        {"sub": "kesha"},
        {"role": "emperor"},
        {"role": None},
        {"sid": None},
        {"sid": "kesha"},
        {"jti": None},
        {"iat": None},
        {"iat": 10**17},
    ],
    ids=lambda changes: "-".join(
        f"{name}={'missing' if value is None else 'wrong'}" for name, value in changes.items()
    ),
)
def test_a_token_with_a_wrong_or_missing_claim_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Unauthorized):
        VERIFIER.verify(token(KEY, **changes))


def test_a_token_signed_by_another_key_of_the_same_name_is_refused() -> None:
    with pytest.raises(Unauthorized):
        VERIFIER.verify(token(key=ECKey.generate_key("P-256", {"kid": "first"})))


def test_a_token_signed_with_the_public_key_as_a_shared_secret_is_refused() -> None:
    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    header = json.dumps({"alg": "HS256", "kid": "first"}).encode()
    signed = part(header) + b"." + part(json.dumps(claims()).encode())
    signature = hmac.digest(KEY.as_pem(private=False), signed, "sha256")
    with pytest.raises(Unauthorized):
        VERIFIER.verify((signed + b"." + part(signature)).decode())


@pytest.mark.parametrize("text", ["", "parrot", "a.b.c", "жако.какаду.ара", "e30.e30."])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized):
        VERIFIER.verify(text)


class Auth:
    """auth's JWKS, which counts how often it is asked, can be away, and can be frozen."""

    def __init__(self, *keys: ECKey) -> None:
        self.keys = keys
        self.asked = 0
        self.away = False
        #: Set while it answers.
        self.running = threading.Event()
        self.running.set()

    def __call__(self, _url: str) -> Any:
        self.asked += 1
        if not self.running.wait(30):
            raise requests.Timeout("frozen")
        if self.away:
            raise requests.ConnectionError("away")
        return KeySet(list(self.keys)).as_dict(private=False)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth() -> Auth:
    return Auth(KEY)


@pytest.fixture
def remote(auth: Auth, clock: Clock, tmp_path: Path) -> RemoteKeys:
    return RemoteKeys("http://auth/jwks", tmp_path / "jwks" / "tracker.json", fetch=auth, clock=clock)


def test_keys_are_fetched_once_for_many_tokens(remote: RemoteKeys, auth: Auth) -> None:
    for _ in range(5):
        TokenVerifier(remote).verify(token())
    assert auth.asked == 1


def test_keys_survive_a_restart_while_auth_is_away(
    remote: RemoteKeys, auth: Auth, clock: Clock, tmp_path: Path
) -> None:
    remote("first")
    auth.away = True
    restarted = RemoteKeys("http://auth/jwks", tmp_path / "jwks" / "tracker.json", fetch=auth, clock=clock)
    assert TokenVerifier(restarted).verify(token()).user_id == KESHA


def test_only_public_keys_are_kept_on_disk(remote: RemoteKeys, tmp_path: Path) -> None:
    remote("first")
    kept = json.loads((tmp_path / "jwks" / "tracker.json").read_text())
    assert "d" not in kept["keys"][0]


def test_without_keys_and_without_auth_a_token_cannot_be_checked(remote: RemoteKeys, auth: Auth) -> None:
    auth.away = True
    with pytest.raises(Unavailable):
        TokenVerifier(remote).verify(token())


def test_a_token_of_a_new_key_makes_the_keys_come_again(remote: RemoteKeys, auth: Auth, clock: Clock) -> None:
    new = ECKey.generate_key("P-256", {"kid": "second"})
    TokenVerifier(remote).verify(token())
    auth.keys = (KEY, new)
    clock.now += 60
    assert eventually(lambda: is_good(remote, token(key=new)))


def is_good(remote: RemoteKeys, text: str) -> bool:
    try:
        TokenVerifier(remote).verify(text)
    except Unauthorized:
        return False
    return True


def invented(key_id: str) -> str:
    """A token that names a key which auth never had."""
    return token(key=ECKey.generate_key("P-256", {"kid": key_id}))


def test_tokens_with_invented_keys_do_not_flood_auth(remote: RemoteKeys, auth: Auth) -> None:
    for number in range(20):
        assert not is_good(remote, invented(f"stranger {number}"))
    assert auth.asked == 1


def test_the_same_invented_key_is_asked_for_once_a_minute(remote: RemoteKeys, auth: Auth, clock: Clock) -> None:
    text = invented("stranger")
    for second in range(60):
        clock.now += 1
        assert not is_good(remote, text)
        eventually(fetches_nothing)
        assert auth.asked == (1 if second < 5 else 2)
    clock.now += 10
    assert not is_good(remote, text)
    eventually(fetches_nothing)
    assert auth.asked == 3


def fetches_nothing() -> bool:
    return not any(thread.name == "jwks" for thread in threading.enumerate())


def test_nobody_waits_for_a_frozen_auth_once_keys_are_known(remote: RemoteKeys, auth: Auth, clock: Clock) -> None:
    assert is_good(remote, token())
    auth.running.clear()
    for second in range(20):
        clock.now += 60
        assert not is_good(remote, invented(f"stranger {second}"))
        assert is_good(remote, token())
    assert auth.asked == 2  # one question waits for its answer, and nobody waits for the question
    auth.running.set()
    eventually(fetches_nothing)


def test_a_copy_from_before_serves_while_auth_is_frozen(
    remote: RemoteKeys, auth: Auth, clock: Clock, tmp_path: Path
) -> None:
    remote("first")
    auth.running.clear()
    restarted = RemoteKeys("http://auth/jwks", tmp_path / "jwks" / "tracker.json", fetch=auth, clock=clock)
    assert is_good(restarted, token())
    auth.running.set()
    eventually(fetches_nothing)


def test_all_who_need_the_first_keys_wait_for_the_same_answer(remote: RemoteKeys, auth: Auth) -> None:
    auth.running.clear()
    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(is_good, remote, token()) for _ in range(8)]
        eventually(lambda: auth.asked == 1)
        auth.running.set()
        assert all(each.result(30) for each in found)
    assert auth.asked == 1


def test_a_key_that_auth_withdrew_is_not_trusted_for_long(remote: RemoteKeys, auth: Auth, clock: Clock) -> None:
    assert is_good(remote, token())
    auth.keys = (ECKey.generate_key("P-256", {"kid": "second"}),)
    clock.now += 601
    eventually(lambda: not is_good(remote, token()))


def test_old_keys_serve_on_while_auth_is_away(remote: RemoteKeys, auth: Auth, clock: Clock) -> None:
    remote("first")
    auth.away = True
    clock.now += 7200
    assert TokenVerifier(remote).verify(token()).user_id == KESHA
