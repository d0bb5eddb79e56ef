"""Auth's web application, wired together."""

from uuid import UUID

from flask import Flask

from auth_service.api import BLUEPRINTS
from auth_service.api.limits import init_limits
from auth_service.commands import install_tools, make_tools
from auth_service.domain.photo_file import MAX_BYTES
from auth_service.models import User
from auth_service.ui import pages
from chassis.db import WEB_STATEMENT_TIMEOUT_S, Database
from chassis.errors import N_
from chassis.people import BLOCKED, FindUser, LocalUser, Role
from chassis.settings import Settings
from chassis.web import build_app

#: What a form has around the photo.
_FORM = 64 * 1024


def create_app(settings: Settings, database: Database | None = None) -> Flask:
    """Return the application; `database` is for who has one already."""
    database = database or Database(settings, statement_timeout_s=WEB_STATEMENT_TIMEOUT_S)
    tools = make_tools(settings, database)
    app = build_app(
        settings,
        database=database,
        blueprints=BLUEPRINTS,
        pages=[pages],
        find_user=_find_user_in(database),
        title=N_("Users"),
        sign_in_url="/sign-in",
        jwks=tools.keys.key_set,
    )
    app.config["MAX_CONTENT_LENGTH"] = MAX_BYTES + _FORM
    init_limits(app)
    install_tools(app, tools)
    return app


def _find_user_in(database: Database) -> FindUser:
    """Look users up where they live. Nobody else can know better, so who is not there is let in by no token."""

    def find_user(user_id: UUID) -> LocalUser:
        with database.reading() as session:
            user = session.get(User, user_id)
            if user is None:
                return LocalUser(user_id, "", Role.POPUG, BLOCKED)
            return LocalUser(user.id, user.name, user.role, user.status)

    return find_user
