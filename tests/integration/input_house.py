"""All four services with something in them, as whoever attacks them sees them: applications, tokens and browsers."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from flask.testing import FlaskClient

from chassis.db import Database
from chassis.people import Role
from chassis.settings import DEFAULT_PORTS
from messaging.envelope import CONTENT_TYPE
from messaging.tables import HeldMessage
from tests.chassis_parts import bearer
from tests.integration import analytics_house, auth_house, billing_house, tracker_house

SERVICES = tuple(DEFAULT_PORTS)

Headers = Mapping[str, str]

_WHY = {
    "type": "auth.user_blocked.v1",
    "reason": "schema-invalid",
    "detail": "no user_id",
    "attempts": 1,
    "state": "dead",
}


@dataclass(frozen=True)
class Visited:
    """A service, and how one comes in."""

    app: Flask
    database: Database
    #: The headers of a request by role.
    headers: Mapping[Role, Headers]
    #: In which an administrator is signed in.
    browser: FlaskClient
    #: Of things that there are, by the names of parameters of paths.
    known: Mapping[str, object]

    def rest(self, method: str, path: str, **arguments: Any) -> Any:
        """The answer to an administrator's request."""
        headers = {**self.headers[Role.ADMIN], **arguments.pop("headers", {})}
        return self.app.test_client().open(f"/api/v1{path}", method=method, headers=headers, **arguments)


@contextmanager
def visit(service: str, migrated: Callable[..., Any]) -> Iterator[Visited]:
    """Open the service with people of every role, and with what they have done so far."""
    visited: Visited = _OPEN[service](migrated(service))
    visited.app.config["WTF_CSRF_ENABLED"] = False
    letter = HeldMessage(id=uuid4(), body=b'{"data": {}}', content_type=CONTENT_TYPE, headers={}, **_WHY)
    with visited.database.transaction() as session:
        session.add(letter)
    yield replace(visited, known={**visited.known, "letter_id": letter.id})
    visited.database.engine.dispose()


def _auth(settings: Any) -> Visited:
    house = auth_house.House(settings)
    people = {role: house.person(role, role=role) for role in Role}
    headers = {role: {"Authorization": f"Bearer {house.api(role).token}"} for role in Role}
    return Visited(house.app, house.database, headers, house.browser(), {"user_id": people[Role.POPUG]})


def _tracker(settings: Any) -> Visited:
    house = tracker_house.House(settings)
    people = {role: house.person(role) for role in Role}
    task = house.api(people[Role.POPUG]).create("Fly")
    run = house.api(people[Role.ADMIN]).post("/reassignments").json
    browser = house.browser(people[Role.ADMIN])
    return Visited(house.app, house.database, _tokens(people), browser, {"task_id": task["id"], "run_id": run["id"]})


def _billing(settings: Any) -> Visited:
    house = billing_house.House(settings)
    people = {role: house.person(role) for role in Role}
    task = billing_house.someone()
    house.handle(billing_house.created(task), billing_house.assigned(task, people[Role.POPUG]))
    house.post(people[Role.BOSS], 700)
    house.close(billing_house.DAY, at=billing_house.NOON)
    payout = house.rows("SELECT id FROM payouts")[0].id
    known = {"user_id": people[Role.POPUG], "day": billing_house.DAY, "payout_id": payout}
    return Visited(house.app, house.database, _tokens(people), house.browser(people[Role.ADMIN]), known)


def _analytics(settings: Any) -> Visited:
    house = analytics_house.House(settings, at=billing_house.NOON)
    people = {role: UUID(int=number) for number, role in enumerate(Role, start=1)}
    return Visited(house.app, house.database, _tokens(people), house.browser(), {})


def _tokens(people: Mapping[Role, UUID]) -> dict[Role, Headers]:
    return {role: bearer(sub=str(user_id), role=role) for role, user_id in people.items()}


_OPEN: Mapping[str, Callable[[Any], Visited]] = {
    "auth": _auth,
    "tracker": _tracker,
    "billing": _billing,
    "analytics": _analytics,
}
