"""The bar at the top of every page: the services that the role may visit, and the places of the one that is shown.

Administrators also see there how many dead letters there are, over all services.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import request, url_for
from flask_babel import format_decimal, ngettext
from flask_babel import gettext as _

from chassis.errors import N_
from chassis.i18n import translate
from chassis.identity import principal_or_none
from chassis.people import Role
from chassis.runtime import runtime

#: Every service has these pages, about its own messages.
_MESSAGES = "/messages"
#: auth has this one, over all services, and one about their events below it.
_CONSOLE = "/operations"
#: The first page of auth, which is that of all services: the brand leads there.
_HOME = "/"
#: auth has the page with timelines, of all services.
_TIMELINES = "/trace"

#: What people call the services, in the order in which they are shown.
SERVICE_NAMES = {"auth": N_("Users"), "tracker": N_("Tasks"), "billing": N_("Accounts"), "analytics": N_("Analytics")}

#: The keys that lead to each, after `g`.
_KEYS = {"auth": "g u", "tracker": "g t", "billing": "g a", "analytics": "g n"}


@dataclass(frozen=True)
class Badge:
    """A number beside a link."""

    text: str
    #: What the number consists of.
    title: str


@dataclass(frozen=True)
class Link:
    """An entry of the bar."""

    text: str
    url: str
    #: Whether this page is the place that it leads to, or belongs to it.
    here: bool
    badge: Badge | None = None
    #: The keys that follow it, as `g t`: see keys.js.
    key: str = ""


def role_name(role: Role) -> str:
    """Return the role in the language of the request."""
    names = {
        Role.POPUG: _("popug"),
        Role.BOSS: _("boss"),
        Role.ACCOUNTANT: _("accountant"),
        Role.MANAGER: _("manager"),
        Role.ADMIN: _("admin"),
    }
    return str(names[role])


def home_link() -> Link:
    """Return the link to the first page of all services."""
    settings = runtime().settings
    here = settings.service == "auth" and request.path == _HOME
    return Link(_("Home"), settings.public_urls["auth"] + _HOME, here, key="g h")


def navigation() -> list[Link]:
    """Return the links that the person who is signed in may follow: to the services, and to the operators' console."""
    principal = principal_or_none()
    if principal is None:
        return []
    services = ["tracker", "billing", "analytics", "auth"] if principal.role is Role.ADMIN else ["tracker", "billing"]
    settings = runtime().settings
    here = None if _is_for_operators() or home_link().here else settings.service
    links = [
        Link(
            translate(SERVICE_NAMES[service]),
            settings.public_urls[service] + ("/users" if service == "auth" else "/"),
            service == here,
            key=_KEYS[service],
        )
        for service in services
    ]
    if principal.role is Role.ADMIN:
        links.append(operations_link(here=_is_for_operators()))
    return links


def place_links() -> list[Link]:
    """Return the second row: the service's places that the person may visit, or the operators'."""
    principal = principal_or_none()
    if principal is None or home_link().here:
        return []
    if _is_for_operators():
        return _for_operators() if principal.role is Role.ADMIN else []
    return [
        Link(translate(place.text), url_for(place.endpoint), request.endpoint in (place.endpoint, *place.also))
        for place in runtime().places
        if not place.roles or principal.role in place.roles
    ]


def operations_link(*, here: bool = False) -> Link:
    """Return the link to the console of all services, or, while auth does not answer, to this service's messages."""
    counts = runtime().dead_letter_counts.latest()
    url = _MESSAGES if counts["auth"] is None else runtime().settings.public_urls["auth"] + _CONSOLE
    return Link(_("Operations"), url, here, _dead_letters_badge(counts), key="g o")


def timeline_url(what: object) -> str:
    """Return the page with the timeline of a correlation id, an event, or what events are about; for administrators."""
    return f"{runtime().settings.public_urls['auth']}{_TIMELINES}?{urlencode({'id': what})}"


def _is_for_operators() -> bool:
    return request.path.startswith((_MESSAGES, _CONSOLE, _TIMELINES))


def _for_operators() -> list[Link]:
    """Return the console, the events, and the messages of each service."""
    settings = runtime().settings
    counts = runtime().dead_letter_counts.latest()
    console = settings.public_urls["auth"] + _CONSOLE
    here = settings.service if request.path.startswith(_MESSAGES) else None
    return [
        Link(_("Overview"), console, request.path == _CONSOLE),
        Link(_("Events"), f"{console}/events", request.path == f"{_CONSOLE}/events"),
        Link(_("Timelines"), settings.public_urls["auth"] + _TIMELINES, request.path.startswith(_TIMELINES)),
        *(
            Link(
                translate(name),
                settings.public_urls[service] + _MESSAGES,
                service == here,
                _dead_letters_badge({service: counts[service]}),
            )
            for service, name in SERVICE_NAMES.items()
        ),
    ]


def _dead_letters_badge(counts: Mapping[str, int | None]) -> Badge | None:
    """Return the number over all services, with a question mark if not all have answered; None for nothing to tell."""
    total = sum(count or 0 for count in counts.values())
    silent = [translate(SERVICE_NAMES[service]) for service, count in counts.items() if count is None]
    if not total and not silent:
        return None
    parts = [
        f"{translate(SERVICE_NAMES[service])} {format_decimal(count)}" for service, count in counts.items() if count
    ]
    title = ngettext("%(num)d dead letter: %(where)s", "%(num)d dead letters: %(where)s", total, where=", ".join(parts))
    told = [title] if total else []
    if silent:
        told.append(_("No answer from: %(services)s", services=", ".join(silent)))
    number = format_decimal(total) if total else ""
    return Badge(number + ("?" if silent else ""), ". ".join(told))
