"""Every page of every service, once: whoever looks at all of them goes by this list.

A new page is a new line in `PAGES`. `tests/unit/test_page_catalogue.py` fails as long as it is missing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chassis.people import Role
from deploy.settings import CONSUMING_SERVICES, SERVICES

#: Somebody who has not signed in, among the roles.
NOBODY = "nobody"

#: With each, whether the page was seen already in the first that hears of events, and so has dead letters.
_SERVICES = [(service, service != CONSUMING_SERVICES[0]) for service in SERVICES]

#: A group of dead letters.
_GROUP = "type=auth.user_updated.v1&reason=schema-invalid"
_PART = re.compile(r"<(?:\w+:)?(\w+)>")

_ADMIN: tuple[str, ...] = (Role.ADMIN,)
_ACCOUNTING: tuple[str, ...] = (Role.ADMIN, Role.ACCOUNTANT)
_OVERSEERS: tuple[str, ...] = (Role.MANAGER, Role.ADMIN)
_EVERYBODY: tuple[str, ...] = (Role.POPUG, Role.BOSS, Role.ACCOUNTANT, Role.MANAGER, Role.ADMIN)


@dataclass(frozen=True)
class Place:
    """A page as the people of some roles see it."""

    service: str
    #: As Flask knows it, as in `/users/<uuid:user_id>`. Where no such thing is known the page is not visited.
    route: str
    roles: tuple[str, ...]
    #: Which one of several known things, as in `closed`, when not the usual one.
    which: str = ""
    #: What stands behind the question mark.
    query: str = ""
    #: The status of the answer.
    status: int = 200
    #: The CSS selector of a form that is sent as it stands, so that it comes back with what is wrong.
    sends: str = ""
    #: The CSS selector of what is clicked on before one looks, where it is visible.
    clicks: str = ""
    #: The CSS selector of what a script puts there later.
    awaits: str = ""
    #: The one language that it is in, whatever is asked for.
    language: str = ""
    #: Another service has this very page, which comes from the chassis.
    again: bool = False

    def path(self, known: Mapping[str, str]) -> str | None:
        """Return the path with what is known filled in, {"user_id": ..., "blocked user_id": ...}; None if it is not."""
        try:
            path = _PART.sub(lambda part: known[f"{self.which} {part[1]}".strip()], self.route)
        except KeyError:
            return None
        return f"{path}?{self.query}" if self.query else path

    @property
    def name(self) -> str:
        """A name in letters, digits and hyphens, of which there are no two."""
        route = _PART.sub(lambda part: part[1], self.route)
        status = "" if self.status == 200 else str(self.status)
        words = (self.service, route, self.which, self.query, self.clicks, status)
        return re.sub(r"[^a-z0-9]+", "-", " ".join(words).lower()).strip("-")


PAGES: tuple[Place, ...] = (
    Place("auth", "/sign-in", (NOBODY,)),
    Place("auth", "/sign-in", (NOBODY,), status=422, sends="main form"),
    Place("auth", "/sign-out", (Role.POPUG,)),
    Place("auth", "/", _EVERYBODY),
    Place("auth", "/", (Role.ADMIN,), clicks=".menu-button"),
    Place("auth", "/", (Role.POPUG,), clicks="[data-keys-open]"),
    Place("auth", "/users", _ADMIN),
    Place("auth", "/users", _ADMIN, query="role=manager&status=blocked"),
    Place("auth", "/users/new", _ADMIN),
    Place("auth", "/users/new", _ADMIN, status=422, sends="main form"),
    Place("auth", "/users/<uuid:user_id>", _ADMIN),
    Place("auth", "/users/<uuid:user_id>", _ADMIN, which="blocked"),
    Place("auth", "/sign-ins", _ADMIN),
    Place("auth", "/sign-ins/refused", _ADMIN),
    Place("auth", "/operations", _ADMIN),
    Place("auth", "/operations/events", _ADMIN),
    Place("auth", "/operations", (Role.MANAGER,), status=403),
    Place("auth", "/trace", _ADMIN),
    Place("auth", "/trace", _ADMIN, query="id=2020-01-01"),
    Place("auth", "/trace/<uuid:correlation_id>", _ADMIN),
    Place("auth", "/users", (Role.POPUG,), status=403),
    Place("tracker", "/", _EVERYBODY),
    Place("tracker", "/", (Role.POPUG,), clicks="#news summary"),
    Place("tracker", "/", (Role.POPUG, Role.MANAGER), clicks="#new-task-box summary"),
    Place("tracker", "/", (Role.POPUG,), status=422, sends="#new-task"),
    Place("tracker", "/tasks/<uuid:task_id>", _EVERYBODY),
    Place("tracker", "/tasks/<uuid:task_id>", (Role.POPUG,), which="done"),
    Place("tracker", "/tasks", _OVERSEERS),
    Place("tracker", "/tasks", (Role.MANAGER,), query="q=nowhere+to+be+found"),
    Place("tracker", "/tasks", (Role.MANAGER,), query="from=2026-11-02&to=2026-11-01", status=422),
    Place("tracker", "/tasks", (Role.POPUG,), status=403),
    Place("tracker", "/created", _EVERYBODY),
    Place("tracker", "/reassignments", _OVERSEERS),
    Place("tracker", "/reassignments/new", _OVERSEERS),
    Place("tracker", "/reassignments/<uuid:run_id>", _OVERSEERS),
    Place("billing", "/", _EVERYBODY),
    Place("billing", "/payouts", _EVERYBODY),
    Place("billing", "/payouts/<uuid:payout_id>", (Role.POPUG, *_ACCOUNTING)),
    Place("billing", "/accounts", _ACCOUNTING),
    Place("billing", "/accounts/<uuid:user_id>", _ACCOUNTING),
    Place("billing", "/accounts/<uuid:user_id>", _ADMIN, status=422, sends="form[action*=corrections]"),
    Place("billing", "/income", _ACCOUNTING),
    Place("billing", "/days", _ACCOUNTING),
    Place("billing", "/days/<day:day>", _ACCOUNTING),
    Place("billing", "/days/<day:day>", _ACCOUNTING, which="closed"),
    Place("billing", "/days/<day:day>/close", _ADMIN),
    Place("billing", "/prices", _ACCOUNTING),
    Place("billing", "/accounts", (Role.POPUG,), status=403),
    Place("analytics", "/", _ADMIN),
    Place("analytics", "/", _ADMIN, query="period=week"),
    Place("analytics", "/", (Role.POPUG,), status=403),
    *(
        Place(service, "/api/docs", (NOBODY,), awaits=".opblock", language="en", again=again)
        for service, again in _SERVICES
    ),
    *(Place(service, "/nowhere", (NOBODY,), status=404, again=again) for service, again in _SERVICES),
    *(Place(service, "/messages", _ADMIN, again=again) for service, again in _SERVICES),
    *(Place(service, "/messages", _ADMIN, query="state=all", again=again) for service, again in _SERVICES),
    *(Place(service, "/messages/discard", _ADMIN, again=again) for service, again in _SERVICES),
    *(Place(service, "/messages/note", _ADMIN, query=_GROUP, again=again) for service, again in _SERVICES),
    *(Place(service, "/messages/<uuid:letter_id>", _ADMIN, again=again) for service, again in _SERVICES),
)

#: GET routes that show nobody a page, and why. With a slash at the end: all below it.
NO_PAGES: Mapping[str, str] = {
    "/api/": "REST",
    "/static/": "files",
    "/billing/static/": "files",
    "/analytics/static/": "files",
    "/livez": "a probe",
    "/readyz": "a probe",
    "/metrics": "for Prometheus",
    "/.well-known/": "for programs",
    "/oauth/": "leads on at once",
    "/sign-in": "leads on at once, to auth's own",
    "/sign-in/callback": "leads on at once",
    "/sign-in/parrots/<key>.webp": "a picture",
    "/users/<uuid:user_id>/beak": "leads to the page with the form",
    "/accounts/<uuid:user_id>/corrections": "leads to the page with the form",
    "/messages/<uuid:letter_id>/edit": "leads to the page with the form",
    "/messages/<uuid:letter_id>/trial": "leads to the page with the form",
    "/operations/jobs/<string:service>/<string:job>/run": "leads to the page with the form",
    "/payouts/<uuid:payout_id>.eml": "a file",
    "/tasks.csv": "a file",
    "/created.csv": "a file",
}
