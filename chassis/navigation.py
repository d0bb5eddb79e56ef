"""What the header of every page shows of the person: the links that the role may follow, and its name."""

from dataclasses import dataclass

from flask_babel import gettext as _

from chassis.identity import principal_or_none
from chassis.people import Role
from chassis.runtime import runtime


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
    """Return the links to the four services that the person who is signed in may follow."""
    principal = principal_or_none()
    if principal is None:
        return []
    entries = [("tracker", _("Tasks"), "/"), ("billing", _("Accounts"), "/")]
    if principal.role is Role.ADMIN:
        entries += [("analytics", _("Analytics"), "/"), ("auth", _("Users"), "/users")]
    settings = runtime().settings
    return [
        Link(text, settings.public_urls[service] + path, service == settings.service) for service, text, path in entries
    ]
