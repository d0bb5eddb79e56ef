"""The web application of a service, put together: `build_app` is called by each service's app.py."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import flask
import flask_smorest
from flask import Flask
from flask_talisman import Talisman
from flask_wtf.csrf import CSRFProtect
from joserfc.jwk import KeySet

from chassis.clock_api import demo_clock
from chassis.db import Database
from chassis.dead_letter_counts import dead_letter_counts
from chassis.i18n import init_i18n
from chassis.identity import principal_or_none
from chassis.live import QuietSessions
from chassis.messages_api import messages
from chassis.messages_ui import messages_pages
from chassis.navigation import home_link, navigation, place_links, role_name, timeline_url
from chassis.observe.requests import init_observation
from chassis.operations_api import operations
from chassis.overview import FurtherNeeds, no_further_needs
from chassis.people import FindUser
from chassis.places import Place
from chassis.problems import ProblemApi, register_error_handlers
from chassis.runtime import EXTENSION, Runtime, runtime
from chassis.sessions import Confirmations
from chassis.settings import Settings
from chassis.signin import SIGN_IN_PATH, session_cookie, sign_in
from chassis.static_files import init_static_files
from chassis.tables import columns
from chassis.timeline.api import trace
from chassis.timeline.steps import FurtherSteps, no_further_steps
from chassis.tokens import RemoteKeys, TokenVerifier
from messaging import HandlerTable

__all__ = ["Runtime", "build_app", "runtime"]

_HERE = Path(__file__).parent
_MAX_BODY = 1024 * 1024
_BEARER_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The access token from auth's POST /api/v1/token",
}


class _FormProtection(CSRFProtect):  # type: ignore[misc]
    """Believes a browser that says that the form stood on a page of this very service; others have to send its token.

    The token in a form is that of the cookie which came with the page. When several tabs are opened at once each page
    brings a cookie, and the browser keeps the last one. No page elsewhere can set the header that is asked for here
    (https://www.w3.org/TR/fetch-metadata/).
    """

    def protect(self, apply_exemptions: bool = False) -> None:
        """Refuse a request that may have been set off by a page elsewhere."""
        if flask.request.headers.get("Sec-Fetch-Site") != "same-origin":
            super().protect(apply_exemptions=apply_exemptions)


def build_app(
    settings: Settings,
    *,
    database: Database,
    blueprints: Sequence[flask_smorest.Blueprint],
    pages: Sequence[flask.Blueprint],
    places: Sequence[Place] = (),
    handlers: HandlerTable = MappingProxyType({}),
    find_user: FindUser,
    title: str,
    sign_in_url: str | None = None,
    jwks: Callable[[], KeySet] | None = None,
    further_steps: FurtherSteps = no_further_steps,
    further_needs: FurtherNeeds = no_further_needs,
) -> Flask:
    """Return the application of a service.

    `blueprints` are REST (paths under /api/), `pages` HTML, `places` those of them that the bar leads to;
    `handlers` is what the service subscribes to: its web only tries out what they would do. auth, which
    has its own sign-in page and its own keys, names both in `sign_in_url` and `jwks`; the others get the OAuth client
    and auth's published keys. `further_steps` is what a timeline says besides events, `further_needs`
    what waits for a person besides messages and jobs.
    """
    app = Flask("chassis", root_path=str(_HERE))
    app.config.update(_config(settings, title))
    app.session_interface = QuietSessions()
    app.extensions[EXTENSION] = Runtime(
        settings=settings,
        database=database,
        find_user=find_user,
        verifier=_verifier(settings, jwks),
        confirmations=None if jwks is not None else Confirmations(settings.internal_urls["auth"]),
        sign_in_url=sign_in_url or SIGN_IN_PATH,
        dead_letter_counts=dead_letter_counts(settings, database),
        handlers=handlers,
        places=places,
        further_steps=further_steps,
        further_needs=further_needs,
    )
    init_observation(app, settings)  # first: it also measures what the others refuse
    csrf = _FormProtection(app)
    Talisman(app, **_headers(settings))
    init_i18n(app, settings.business_timezone)
    init_static_files(app)
    api = ProblemApi(app)
    api.spec.components.security_scheme("token", _BEARER_TOKEN)
    for blueprint in (*blueprints, messages, operations, trace, *([demo_clock] if settings.demo else [])):
        api.register_blueprint(blueprint)
        csrf.exempt(blueprint)  # a bearer token is not sent by browsers on their own
    register_error_handlers(app)
    for page in (*pages, messages_pages, *([] if sign_in_url else [sign_in])):
        app.register_blueprint(page)
    _add_docs(app, title)
    app.after_request(_keep_private)
    app.context_processor(lambda: {"principal": principal_or_none()})
    app.jinja_env.globals.update(
        service_title=title,
        sign_in_url=sign_in_url or SIGN_IN_PATH,
        home_link=home_link,
        navigation=navigation,
        place_links=place_links,
        role_name=role_name,
        columns=columns,
        timeline_url=timeline_url,
    )
    return app


def _config(settings: Settings, title: str) -> dict[str, Any]:
    return {
        "SECRET_KEY": settings.secret_key,
        "SESSION_COOKIE_NAME": session_cookie(settings.service),
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "PERMANENT_SESSION_LIFETIME": timedelta(hours=12),
        "MAX_CONTENT_LENGTH": _MAX_BODY,
        "WTF_CSRF_TIME_LIMIT": None,  # as long as the session
        "API_TITLE": title,
        "API_VERSION": "v1",
        "OPENAPI_VERSION": "3.1.0",
        "OPENAPI_URL_PREFIX": "/api",
        "OPENAPI_JSON_PATH": "openapi.json",
        "API_SPEC_OPTIONS": {
            "servers": [{"url": settings.public_url}],
            "security": [{"token": []}],
        },
    }


def _headers(settings: Settings) -> dict[str, Any]:
    secure = settings.public_url.startswith("https://")
    # A form may end in a redirect to another service, by way of the sign-in.
    services = sorted(set(settings.public_urls.values()))
    return {
        "force_https": False,  # a proxy in front does that, where there is one
        "strict_transport_security": secure,
        "session_cookie_secure": secure,
        "session_cookie_samesite": "Lax",
        "content_security_policy": {
            "default-src": "'self'",
            "img-src": ["'self'", "data:"],  # Pico draws its icons with data URLs
            "object-src": "'none'",
            "base-uri": "'self'",
            "frame-ancestors": "'none'",
            "form-action": ["'self'", *services],
        },
        "frame_options": "DENY",
        "referrer_policy": "same-origin",
    }


def _keep_private(response: flask.Response) -> flask.Response:
    """Let nothing be kept anywhere that does not say itself for how long: nor does Back show it after a sign-out."""
    response.headers.setdefault("Cache-Control", "no-store")
    return response


def _verifier(settings: Settings, jwks: Callable[[], KeySet] | None) -> TokenVerifier:
    if jwks is not None:
        own = jwks
        return TokenVerifier(lambda _key_id: own())
    copy = settings.state_dir / "jwks" / f"{settings.service}.json"
    return TokenVerifier(RemoteKeys(f"{settings.internal_urls['auth']}/.well-known/jwks.json", copy))


def _add_docs(app: Flask, title: str) -> None:
    @app.get("/api/docs")
    def api_docs() -> str:
        return flask.render_template("api_docs.html", title=title)
