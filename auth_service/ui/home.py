"""The first page after the sign-in: where one can go from here."""

from dataclasses import dataclass

from flask import render_template
from flask_babel import gettext as _

from auth_service.ui.blueprint import pages
from chassis.identity import current_principal, require_roles
from chassis.navigation import Badge, messages_link
from chassis.people import Role
from chassis.runtime import runtime


@dataclass(frozen=True)
class Card:
    """A service, as it is offered to a person."""

    title: str
    text: str
    url: str
    badge: Badge | None = None


@pages.get("/")
@require_roles()
def home() -> str:
    """The services that are open to the person's role."""
    return render_template("auth/home.html", cards=_cards(current_principal().role))


def _cards(role: Role) -> list[Card]:
    urls = runtime().settings.public_urls
    overseer = role in (Role.MANAGER, Role.ADMIN)
    sees_all_accounts = role in (Role.ACCOUNTANT, Role.ADMIN)
    tasks = (
        _("Everybody's open tasks and the button that deals them out anew.") if overseer else _("What you have to do.")
    )
    accounts = (
        _("Everybody's balances, the income of the management, closed days and payouts.")
        if sees_all_accounts
        else _("Your balance and every movement of it.")
    )
    cards = [Card(_("Tasks"), tasks, urls["tracker"]), Card(_("Accounts"), accounts, urls["billing"])]
    if role is Role.ADMIN:
        messages = messages_link()
        cards += [
            Card(_("Analytics"), _("What the management earns, and which task was the dearest."), urls["analytics"]),
            Card(_("Users"), _("Who there is, who may do what, and whose beak is whose."), f"{urls['auth']}/users"),
            Card(
                messages.text,
                _("What services tell each other, and what they could not make sense of."),
                messages.url,
                messages.badge,
            ),
        ]
    return cards
