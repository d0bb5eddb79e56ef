"""Makes again in RabbitMQ what somebody has deleted in its console: exchanges, queues and bindings.

A consumer declares its own queues again when it misses them. The shared exchanges belong to the administrator, so no
service may; and with `ates.events` go the bindings of every queue.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import requests

from deploy.console import say

#: Seconds between two looks.
_EVERY = 5.0
_TIMEOUT = 10.0

#: What makes two definitions the same thing.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "exchanges": ("name",),
    "queues": ("name",),
    "bindings": ("source", "destination", "routing_key"),
}

Definitions = dict[str, list[dict[str, Any]]]


class TopologyKeeper:
    """Looks after the exchanges, queues and bindings of one vhost over RabbitMQ's management interface."""

    def __init__(
        self,
        management_url: str,
        credentials: tuple[str, str],
        vhost: str,
        wanted: Definitions,
        *,
        say: Callable[[str], object] = say,
    ) -> None:
        """Take RabbitMQ's console, the administrator's name and password, what is to be there, and who is told.

        `wanted` has `exchanges`, `queues` and `bindings` of the vhost, as a definitions file of RabbitMQ has them.
        """
        self._url = f"{management_url}/api"
        self._vhost = quote(vhost, safe="")
        self._credentials = credentials
        self._wanted: Definitions = {kind: wanted[kind] for kind in _KEYS}
        self._say = say

    def run(self, stop: threading.Event) -> None:
        """Look every few seconds until `stop` is set. A RabbitMQ that is away is waited for."""
        said = ""
        while not stop.wait(_EVERY):
            try:
                self.look()
                said = ""
            except requests.RequestException as error:
                answer = error.response
                if answer is not None and said != answer.text:  # else it is away, and others say so
                    said = answer.text
                    self._say(f"RabbitMQ does not let its topology be looked after: {said}")

    def look(self) -> None:
        """Make again what is missing. Raises requests.RequestException."""
        missing = self._missing()
        if not any(missing.values()):
            return
        last = self._take_away_where_the_unrouted_go(missing["exchanges"])
        self._import({**missing, "bindings": [each for each in missing["bindings"] if each not in last]})
        if last:
            self._import({"bindings": last})
        names = [
            each.get("name") or f"{each['source']} -> {each['destination']}"
            for kind in missing.values()
            for each in kind
        ]
        self._say(f"Somebody deleted in RabbitMQ, and it is made again: {', '.join(names)}")

    def _missing(self) -> Definitions:
        there = self._ask("GET", f"definitions/{self._vhost}").json()
        found = {kind: {_key(kind, each) for each in there[kind]} for kind in _KEYS}
        return {kind: [each for each in self._wanted[kind] if _key(kind, each) not in found[kind]] for kind in _KEYS}

    def _take_away_where_the_unrouted_go(self, exchanges: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Unbind the alternates of exchanges that are to be made again; return these bindings.

        An event that is published when the exchange is there again, and the queues are not bound to it yet, would be
        taken for one that nobody listens to, and be confirmed. With no place for those it is refused, and sent again.
        """
        alternates = {each["arguments"].get("alternate-exchange") for each in exchanges}
        bindings = [each for each in self._wanted["bindings"] if each["source"] in alternates]
        for each in bindings:
            way = f"e/{quote(each['source'], safe='')}/q/{quote(each['destination'], safe='')}/~"  # no routing key
            self._ask("DELETE", f"bindings/{self._vhost}/{way}", or_is_not_there=True)
        return bindings

    def _import(self, parts: Mapping[str, Any]) -> None:
        self._ask("POST", f"definitions/{self._vhost}", json=parts)

    def _ask(self, method: str, path: str, *, or_is_not_there: bool = False, json: object = None) -> requests.Response:
        url = f"{self._url}/{path}"
        answer = requests.request(method, url, auth=self._credentials, timeout=_TIMEOUT, json=json)
        if not (or_is_not_there and answer.status_code == requests.codes.not_found):
            answer.raise_for_status()
        return answer


def _key(kind: str, each: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(each[name] for name in _KEYS[kind])
