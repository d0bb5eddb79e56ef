"""What the header of every page shows of the person: the links that the role may follow, and its name."""

from dataclasses import dataclass

from flask import request
from flask_babel import gettext as _

from chassis.identity import principal_or_none
from chassis.people import Role
from chassis.runtime import runtime

#: Every service has these pages, about its own messages.
_MESSAGES = "/messages"


@dataclass(frozen=True)
class Link:
    """An entry of the navigation."""

    text: str
    url: str
    #: Whether it leads to the service that shows this page.
    here: bool


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


def navigation() -> list[Link]:
    """Return the links that the person who is signed in may follow: to the services, and to this one's messages."""
    principal = principal_or_none()
    if principal is None:
        return []
    entries = [("tracker", _("Tasks"), "/"), ("billing", _("Accounts"), "/")]
    if principal.role is Role.ADMIN:
        entries += [("analytics", _("Analytics"), "/"), ("auth", _("Users"), "/users")]
    settings = runtime().settings
    about_messages = request.path.startswith(_MESSAGES)
    links = [
        Link(text, settings.public_urls[service] + path, service == settings.service and not about_messages)
        for service, text, path in entries
    ]
    if principal.role is Role.ADMIN:
        links.append(Link(_("Messages"), _MESSAGES, about_messages))
    return links
