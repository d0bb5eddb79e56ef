"""The web application of analytics, wired together."""

from flask import Flask

from analytics_service.api import figures
from analytics_service.handlers import HANDLERS
from analytics_service.models import EndedSession, User
from analytics_service.ui import pages
from chassis.db import WEB_STATEMENT_TIMEOUT_S, Database
from chassis.errors import N_
from chassis.people import find_user_in
from chassis.settings import Settings
from chassis.web import build_app


def create_app(settings: Settings, database: Database | None = None) -> Flask:
    """Return the application; `database` is for who has one already."""
    database = database or Database(settings, statement_timeout_s=WEB_STATEMENT_TIMEOUT_S)
    return build_app(
        settings,
        database=database,
        blueprints=[figures],
        pages=[pages],
        handlers=HANDLERS,
        find_user=find_user_in(database, User, EndedSession),
        title=N_("Analytics"),
    )
