"""The files that pages are made of: under an address that names their content, so that a browser keeps them for good.

They are sent compressed. Pages are not: a compressed page that holds a secret beside what somebody else has sent tells
the secret by its length (BREACH).
"""

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, request
from werkzeug.security import safe_join

_YEAR = 365 * 24 * 3600
_COMPRESSED = ("text/css", "text/javascript", "image/svg+xml")
#: Of a content's hash, in its address.
_DIGITS = 12
#: More files than there are.
_REMEMBERED = 100


def init_static_files(app: Flask) -> None:
    """Let `url_for` name the content of static files, and let these be kept and compressed."""
    app.url_defaults(_name_content)
    app.after_request(_finish)


def _name_content(endpoint: str, values: dict[str, Any]) -> None:
    file = _static_file(endpoint, values.get("filename"))
    if file is not None:
        values.setdefault("v", _version(file))


def _finish(response: Response) -> Response:
    file = _static_file(request.endpoint, (request.view_args or {}).get("filename"))
    if file is None or response.status_code not in (200, 304):
        return response
    if request.args.get("v") == _version(file):
        response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
    if response.mimetype in _COMPRESSED:
        response.vary.add("Accept-Encoding")
        if response.status_code == 200 and request.accept_encodings.quality("gzip") > 0:
            _compress(response, file)
    return response


def _compress(response: Response, file: Path) -> None:
    plain = response.response
    response.direct_passthrough = False
    response.set_data(_gzipped(file, file.stat().st_mtime_ns))
    plain.close()  # type: ignore[union-attr]  # the open file
    response.content_encoding = "gzip"
    etag, _ = response.get_etag()
    if etag is not None:
        response.set_etag(etag, weak=True)  # the same content in other bytes


def _static_file(endpoint: str | None, filename: str | None) -> Path | None:
    """Return the file that a request or an address is about; None if it is not about one."""
    name, dot, view = (endpoint or "").rpartition(".")
    if view != "static" or filename is None:
        return None
    folder = (current_app.blueprints[name] if dot else current_app).static_folder
    found = safe_join(folder or "", filename)
    return Path(found) if found is not None and Path(found).is_file() else None


def _version(file: Path) -> str:
    return _hash(file, file.stat().st_mtime_ns)


@lru_cache(_REMEMBERED)
def _hash(file: Path, _changed_at: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:_DIGITS]


@lru_cache(_REMEMBERED)
def _gzipped(file: Path, _changed_at: int) -> bytes:
    return gzip.compress(file.read_bytes(), mtime=0)
