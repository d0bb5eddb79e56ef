"""Billing's web application, wired together."""

from flask import Flask

from billing_service.api import BLUEPRINTS
from billing_service.config import BillingSettings
from billing_service.handlers import HANDLERS
from billing_service.models import EndedSession, User
from billing_service.queries import needs_of_person, steps_of_events
from billing_service.ui import PLACES, pages
from chassis.db import WEB_STATEMENT_TIMEOUT_S, Database
from chassis.errors import N_
from chassis.people import find_user_in
from chassis.web import build_app


def create_app(settings: BillingSettings, database: Database | None = None) -> Flask:
    """Return the application; `database` is for who has one already."""
    database = database or Database(settings, statement_timeout_s=WEB_STATEMENT_TIMEOUT_S)
    return build_app(
        settings,
        database=database,
        blueprints=BLUEPRINTS,
        pages=[pages],
        places=PLACES,
        handlers=HANDLERS,
        find_user=find_user_in(database, User, EndedSession),
        title=N_("Accounts"),
        further_steps=steps_of_events,
        further_needs=needs_of_person,
    )
