"""Somebody of the company who uses the running system by REST."""

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import requests

from deploy.errors import DeployError

#: Seconds that an answer may take, and for which somebody tries again who gets none.
_TIMEOUT = 30
_PATIENCE = 60
_PAUSE = 0.2
#: Answers after which the same request may succeed: too much at once, or a service that is away.
_AGAIN = (429, 502, 503, 504)


class Person:
    """Somebody who signs in with a photo of the beak, when it is needed."""

    def __init__(self, services: Mapping[str, str], *, id: str, name: str, role: str, beak: Path) -> None:
        """Take the addresses of the services, and who it is; nothing is asked yet."""
        self.id = id
        self.name = name
        self.role = role
        self.beak = beak
        self._services = services
        self._session = requests.Session()
        self._token = ""
        self._renew_at = 0.0

    def get(self, service: str, path: str, **parameters: Any) -> Any:
        """Return the JSON answer to a GET. Raises DeployError."""
        return self.ask("GET", service, path, params=parameters).json()

    def everything(self, service: str, path: str, **parameters: Any) -> Iterator[Any]:
        """Yield all items of a list, page by page. Raises DeployError."""
        cursor: dict[str, str] = {}
        while True:
            page = self.get(service, path, **parameters, limit=200, **cursor)
            yield from page["items"]
            if page["next_cursor"] is None:
                return
            cursor = {"cursor": page["next_cursor"]}

    def create(self, service: str, path: str, body: Any = None) -> Any:
        """Return the JSON answer to a POST, which is done once however often it is sent. Raises DeployError."""
        return self.ask("POST", service, path, json=body, headers={"Idempotency-Key": str(uuid4())}).json()

    def ask(
        self, method: str, service: str, path: str, *, expect: tuple[int, ...] = (), **options: Any
    ) -> requests.Response:
        """Send a request until it is answered, and return the answer.

        Raises DeployError if it is a refusal that is not among those to `expect`, or if none comes within a minute.
        """
        headers = {"Authorization": f"Bearer {self._current_token()}"} | options.pop("headers", {})
        url = f"{self._services[service]}{path}"
        answer = self._until_answered(method, url, headers=headers, **options)
        if not answer.ok and answer.status_code not in expect:
            raise DeployError(f"{self.name}: {method} {url} was answered {answer.status_code}: {answer.text}")
        return answer

    def _current_token(self) -> str:
        if time.monotonic() >= self._renew_at:
            url = f"{self._services['auth']}/api/v1/token"
            photo, kind = self.beak.read_bytes(), {"Content-Type": "image/png"}
            answer = self._until_answered("POST", url, data=photo, headers=kind)
            if not answer.ok:
                raise DeployError(f"{self.name} cannot sign in with {self.beak}: {answer.text}")
            signed_in = answer.json()
            self._token = signed_in["access_token"]
            self._renew_at = time.monotonic() + signed_in["expires_in"] / 2
        return self._token

    def _until_answered(self, method: str, url: str, **options: Any) -> requests.Response:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                answer = self._session.request(method, url, timeout=_TIMEOUT, **options)
            except requests.RequestException as error:
                if time.monotonic() > deadline:
                    raise DeployError(f"{url} does not answer, see `./ates status`: {error}") from error
            else:
                if answer.status_code not in _AGAIN or time.monotonic() > deadline:
                    return answer
            time.sleep(_PAUSE)
