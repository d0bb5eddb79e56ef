"""People of the demo company who use a running system by REST, as scripts do."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

TIMEOUT = 15


class Parrot:
    """Somebody who signed in with a photo of the beak."""

    def __init__(self, run: dict[str, Any], person: dict[str, Any]) -> None:
        """Sign in. `run` is the content of run.json."""
        self.services: dict[str, str] = run["services"]
        self.id: str = person["id"]
        self.name: str = person["name"]
        self.role: str = person["role"]
        self._beak = Path(person["beak"])
        self._token = ""
        self._renew_at = 0.0
        self._sign_in()

    @property
    def token(self) -> str:
        """Return a token that is good for a while yet: the beak is shown again in time."""
        if time.monotonic() >= self._renew_at:
            self._sign_in()
        return self._token

    def _sign_in(self) -> None:
        signed_in = sign_in(self.services["auth"], self._beak)
        self._token = signed_in["access_token"]
        self._renew_at = time.monotonic() + signed_in["expires_in"] / 2

    def ask(self, method: str, service: str, path: str, **options: Any) -> requests.Response:
        """Send a request and return whatever the answer is."""
        url = path if path.startswith("http") else f"{self.services[service]}{path}"
        headers = options.pop("headers", {})
        if "Authorization" not in headers:
            headers = {"Authorization": f"Bearer {self.token}"} | headers
        return requests.request(method, url, headers=headers, timeout=TIMEOUT, **options)

    def get(self, service: str, path: str, **parameters: Any) -> Any:
        """Return the JSON answer to a GET, which must succeed."""
        answer = self.ask("GET", service, path, params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, service: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """Return the JSON answer to a POST, which must have this status."""
        answer = self.ask("POST", service, path, json=body)
        assert answer.status_code == expect, answer.text
        return answer.json() if answer.content else None

    def everything(self, service: str, path: str, **parameters: Any) -> Iterator[Any]:
        """Yield all items of a list, page by page."""
        cursor: str | None = None
        while True:
            page = self.get(service, path, **parameters, limit=200, **({"cursor": cursor} if cursor else {}))
            yield from page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return


def sign_in(auth_url: str, photo: Path) -> dict[str, Any]:
    """Return what auth answers to the photo: the access token, and for how many seconds it is good."""
    answer = requests.post(
        f"{auth_url}/api/v1/token",
        data=photo.read_bytes(),
        headers={"Content-Type": "image/png"},
        timeout=TIMEOUT,
    )
    assert answer.status_code == 200, answer.text
    signed_in: dict[str, Any] = answer.json()
    return signed_in


def company(run: dict[str, Any]) -> dict[str, Parrot]:
    """Sign everybody in; by id."""
    return {person["id"]: Parrot(run, person) for person in run["people"]}
