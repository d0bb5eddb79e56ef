"""Auth's web application, wired together."""

from flask import Flask

from auth_service import queries
from auth_service.api import BLUEPRINTS
from auth_service.api.limits import init_limits
from auth_service.commands import install_tools, make_tools
from auth_service.domain.photo_file import MAX_BYTES
from auth_service.models import User
from auth_service.ui import PLACES, pages
from chassis.db import WEB_STATEMENT_TIMEOUT_S, Database, utc_now
from chassis.errors import N_
from chassis.people import BLOCKED, Claims, FindUser, LocalUser, Role
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
        places=PLACES,
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
    """Look users and sessions up where they live. Nobody can know better: who is not there is let in by no token."""

    def find_user(claims: Claims) -> LocalUser:
        now = utc_now()
        with database.reading() as session:
            user = session.get(User, claims.user_id)
            if user is None:
                return LocalUser(claims.user_id, "", Role.POPUG, BLOCKED)
            if claims.token_id is None:
                counts = queries.goes_on(session, claims.session_id, now=now)
            else:
                counts = queries.token_counts(session, claims.token_id, claims.session_id, now=now)
            return LocalUser(user.id, user.name, user.role, user.status, session_ended=not counts)

    return find_user
