"""Pages that stay up to date while somebody looks at them: static/live.js asks for the page once more, now and then.

A page has a version that is found out much more cheaply than the page itself. live.js sends the one that it has as
If-None-Match and is told 304 when that is still the one; otherwise it gets the page, and takes over what is different.
Why so, and what it costs: docs/decisions/0026-pages-that-stay-up-to-date.md.
"""

from collections.abc import Callable

from flask import Flask, request
from flask import Response as FlaskResponse
from flask.sessions import SecureCookieSessionInterface, SessionMixin
from werkzeug.wrappers import Response

__all__ = ["QuietSessions", "live_page", "looks_again"]


class QuietSessions(SecureCookieSessionInterface):
    """Sets no cookie when a page is looked at again, nor with what everybody may keep.

    The answer may come after that to a click: it would bring back what the click took away, or take away its message.
    And whoever keeps a file for everybody must not keep somebody's session with it.
    """

    def save_session(self, app: Flask, session: SessionMixin, response: FlaskResponse) -> None:
        """See SessionInterface."""
        if not (looks_again() or response.cache_control.public):
            super().save_session(app, session, response)


def looks_again() -> bool:
    """Tell whether this request is one of live.js, and none that a person made."""
    return "If-None-Match" in request.headers


def live_page(version: str, render: Callable[[], str]) -> Response:
    """Return the page, or 304 without having rendered it if the browser has this version of it."""
    known = looks_again() and version in request.if_none_match
    response = Response(status=304) if known else Response(render(), mimetype="text/html")
    response.set_etag(version)
    return response
