"""The tracker's web application, wired together."""

from flask import Flask

from chassis.db import WEB_STATEMENT_TIMEOUT_S, Database
from chassis.errors import N_
from chassis.people import find_user_in
from chassis.settings import Settings
from chassis.web import build_app
from tracker_service.api import reassignments, summary, tasks
from tracker_service.handlers import HANDLERS
from tracker_service.models import EndedSession, User
from tracker_service.ui import PLACES, pages


def create_app(settings: Settings, database: Database | None = None) -> Flask:
    """Return the application; `database` is for who has one already."""
    database = database or Database(settings, statement_timeout_s=WEB_STATEMENT_TIMEOUT_S)
    return build_app(
        settings,
        database=database,
        blueprints=[tasks, reassignments, summary],
        pages=[pages],
        places=PLACES,
        handlers=HANDLERS,
        find_user=find_user_in(database, User, EndedSession),
        title=N_("Tasks"),
    )
