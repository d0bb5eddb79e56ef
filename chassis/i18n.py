"""Two languages, English and Russian, and how money, moments and days are written in them."""

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import Flask, request
from flask.wrappers import Response
from flask_babel import Babel, format_time, get_locale, gettext, to_user_timezone

from chassis.formats import LOCALES, format_day_in
from chassis.formats import format_money as format_money
from chassis.input.text import isolated
from chassis.live import looks_again
from chassis.marshmallow_texts import taken_apart

LANGUAGES = {"en": "English", "ru": "Русский"}
_COOKIE = "lang"
_YEAR = 365 * 24 * 3600


def init_i18n(app: Flask, zone: ZoneInfo) -> None:
    """Choose the language by `?lang=`, the cookie that remembers it, or the browser's wishes."""
    app.config["BABEL_TRANSLATION_DIRECTORIES"] = str(Path(__file__).parent / "translations")
    Babel(app, default_timezone=zone.key, locale_selector=_locale)
    app.after_request(_remember_language)
    app.add_template_filter(format_money, "money")
    app.add_template_filter(isolated)
    app.jinja_env.globals.update(
        format_moment=format_moment,
        format_day=format_day,
        get_locale=get_locale,
        language_links=language_links,
        with_query=with_query,
    )


def translate(text: str, parts: Mapping[str, object] | None = None) -> str:
    """Return the text in the language of the request, with its changing parts filled in."""
    if not text:
        return ""  # gettext would answer with the header of the catalogue
    if not parts:
        text, parts = taken_apart(text)
    translated: str = gettext(text)
    return translated % {name: _as_people_read(part) for name, part in parts.items()} if parts else translated


def format_moment(moment: datetime, form: str = "short") -> str:
    """Write a moment in the business time zone: `27 Nov 2026, 14:03`. With `medium` it has seconds."""
    return f"{format_day(to_user_timezone(moment))}, {format_time(moment, form)}"


def format_day(day: date, form: str = "medium") -> str:
    """Write a business day in the language of the request. For the forms see `chassis.formats`."""
    return format_day_in(get_locale(), day, form)


def language_links() -> list[tuple[str, str, str]]:
    """Return code, name and address of this page in each language."""
    return [(code, name, with_query(lang=code)) for code, name in LANGUAGES.items()]


def with_query(**changes: str | None) -> str:
    """Return the address of this page with parts of its query string changed, or removed by None."""
    kept = [(name, value) for name, value in request.args.items(multi=True) if name not in changes]
    added = [(name, value) for name, value in changes.items() if value is not None]
    query = urlencode([*kept, *added])
    return f"{request.path}?{query}" if query else request.path


def _as_people_read(part: object) -> object:
    return format_day(part) if isinstance(part, date) else part


def _locale() -> str:
    return LOCALES[_language()]


def _language() -> str:
    for wish in (request.args.get("lang"), request.cookies.get(_COOKIE)):
        if wish in LANGUAGES:
            return wish
    return request.accept_languages.best_match(LANGUAGES, default="en")


def _remember_language(response: Response) -> Response:
    wish = request.args.get("lang")
    if wish in LANGUAGES and not looks_again():
        response.set_cookie(_COOKIE, wish, max_age=_YEAR, samesite="Lax", httponly=True)
    return response
