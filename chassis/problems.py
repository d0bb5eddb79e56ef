"""Every error becomes `application/problem+json` (RFC 9457) for programs and a page for people."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import flask_smorest
from flask import Flask, Response, current_app, jsonify, redirect, render_template, request
from marshmallow import Schema, fields
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as BaseResponse

from chassis.database_errors import DATABASE_ERRORS, refusal_of_database
from chassis.errors import N_, Invalid, ServiceError, Unauthorized
from chassis.i18n import translate
from chassis.identity import is_api_request
from chassis.runtime import runtime

CONTENT_TYPE = "application/problem+json"

#: Title and detail of the errors that Flask itself answers with, where its own words would not help.
_WORDS = {
    400: (N_("The request cannot be served"), N_("The form has expired or is not complete. Open the page again.")),
    404: (N_("Not found"), N_("There is no such perch here: the address leads nowhere.")),
    405: (N_("Not possible this way"), N_("This address cannot do that; see the description of the API.")),
    413: (N_("The request is too large"), N_("That is more than a parrot can carry.")),
    422: (Invalid.title, N_("Some fields break a rule:")),
    500: (N_("Something broke"), N_("A feather fell into the gears. The log has the details.")),
}


class ProblemSchema(Schema):
    """What an error looks like in the API, for its documentation."""

    type = fields.String(metadata={"description": "Names the kind of problem; stays when texts change"})
    title = fields.String(metadata={"description": "The kind of problem, in words"})
    status = fields.Integer(metadata={"description": "The HTTP status"})
    detail = fields.String(metadata={"description": "What happened this time"})
    errors = fields.Dict(
        keys=fields.String(),
        values=fields.List(fields.String()),
        metadata={"description": "Only for bad input: what is wrong with each field"},
    )


class ProblemApi(flask_smorest.Api):  # type: ignore[misc]
    """flask-smorest whose errors, thrown and documented, are problems."""

    ERROR_SCHEMA = ProblemSchema

    def handle_http_exception(self, error: HTTPException) -> BaseResponse:
        """Answer an error of Flask, webargs or flask-smorest."""
        return answer_http_exception(error)

    def _register_responses(self) -> None:
        super()._register_responses()
        for responses in (self.spec.components.responses, self.spec.components.responses_lazy):
            for response in responses.values():
                if "content" in response:
                    response["content"] = {CONTENT_TYPE: next(iter(response["content"].values()))}


def register_error_handlers(app: Flask) -> None:
    """Answer ServiceErrors and a database that is away; ProblemApi answers the HTTPExceptions."""
    app.register_error_handler(ServiceError, answer_service_error)
    for kind in DATABASE_ERRORS:
        app.register_error_handler(kind, _answer_database_error)


def answer_service_error(error: ServiceError) -> BaseResponse:
    """Answer an error that a command, a query or a check of identity raised."""
    if isinstance(error, Unauthorized) and not _wants_problem():
        return _to_sign_in()
    errors = error.errors and {name: [translate(t) for t in texts] for name, texts in error.errors.items()}
    response = _answer(
        error.status,
        kind=f"urn:ates:problem:{error.kind}",
        title=translate(error.title),
        detail=translate(error.message, error.parts) or translate(error.title),
        errors=errors,
        extensions=error.extensions,
    )
    if isinstance(error, Unauthorized):
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def answer_http_exception(error: HTTPException) -> BaseResponse:
    """Answer an HTTPException; one that carries a whole response, such as a redirect, is that response."""
    if error.response is not None or error.code is None:
        return error.get_response()
    data = getattr(error, "data", None) or {}
    found = data.get("errors") or data.get("messages")
    title, detail = _WORDS.get(error.code, (error.name, error.description or ""))
    response = _answer(
        error.code,
        kind="about:blank",
        title=translate(title),
        detail=translate(data.get("message") or detail),
        errors=_flatten(found) if isinstance(found, Mapping) else None,
    )
    headers = [*error.get_headers(), *dict(data.get("headers") or {}).items()]
    for name, value in headers:
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _answer_database_error(error: Exception) -> BaseResponse:
    refusal = refusal_of_database(error)
    if refusal is None:
        raise error  # and so it is answered and logged as any other fault of ours
    current_app.logger.warning("database_%s", type(refusal).__name__.lower(), exc_info=error)
    return answer_service_error(refusal)


def _answer(
    status: int,
    *,
    kind: str,
    title: str,
    detail: str,
    errors: Mapping[str, list[str]] | None,
    extensions: Mapping[str, object] | None = None,
) -> BaseResponse:
    if not _wants_problem():
        page = render_template("error.html", status=status, title=title, detail=detail, errors=errors)
        return Response(page, status)
    body: dict[str, Any] = {"type": kind, "title": title, "status": status, "detail": detail}
    if errors:
        body["errors"] = errors
    body.update(extensions or {})
    response = jsonify(body)
    response.status_code = status
    response.mimetype = CONTENT_TYPE
    return response


def _wants_problem() -> bool:
    if is_api_request():
        return True
    return "Accept" in request.headers and not request.accept_mimetypes.accept_html


def _to_sign_in() -> BaseResponse:
    back = request.full_path.rstrip("?") if request.method == "GET" else "/"
    url = f"{runtime().sign_in_url}?next={quote(back)}"
    if "HX-Request" in request.headers:  # htmx would put the sign-in page into a part of this one
        return Response(status=401, headers={"HX-Redirect": runtime().sign_in_url})
    return redirect(url)


def _flatten(found: Mapping[str, Any]) -> dict[str, list[str]]:
    """Turn webargs' `{"json": {"user": {"name": [text]}}}` into `{"user.name": [text]}`."""
    flat: dict[str, list[str]] = {}
    for part in found.values():
        if isinstance(part, Mapping):
            _add(flat, "", part)
        else:
            flat.setdefault("_schema", []).extend(str(text) for text in part)
    return flat


def _add(flat: dict[str, list[str]], path: str, part: Any) -> None:
    if isinstance(part, Mapping):
        for name, inner in part.items():
            _add(flat, f"{path}.{name}" if path else str(name), inner)
    else:
        texts = part if isinstance(part, list) else [part]
        flat.setdefault(path, []).extend(translate(str(text)) for text in texts)
