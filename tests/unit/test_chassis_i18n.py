"""Money and the two languages."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from flask import Flask
from marshmallow import ValidationError, validate

import chassis
from chassis.errors import Conflict
from chassis.formats import LOCALES, format_day_in, format_money
from chassis.i18n import format_moment, init_i18n, translate
from chassis.settings import DEFAULT_PORTS, REPOSITORY

CHASSIS = Path(chassis.__file__).parent


@pytest.mark.parametrize(
    ("cents", "text"),
    [(0, "$0.00"), (5, "$0.05"), (1234, "$12.34"), (-1234, "−$12.34"), (-1, "−$0.01"), (123456789, "$1,234,567.89")],
)
def test_money_is_written_in_dollars_with_a_true_minus(cents: int, text: str) -> None:
    assert format_money(cents) == text


def test_an_error_fills_its_parts_in() -> None:
    assert str(Conflict("There is one called %(title)s.", title="50%")) == "There is one called 50%."


def test_an_error_without_a_text_is_called_by_its_title() -> None:
    assert str(Conflict()) == "Not possible at the moment"


@pytest.fixture(scope="module")
def russian() -> Catalog:
    with (CHASSIS / "translations/ru/LC_MESSAGES/messages.po").open("rb") as file:
        return read_po(file, locale="ru")


def test_every_text_has_its_russian(russian: Catalog) -> None:
    def is_complete(message: Message) -> bool:
        assert message.string is not None
        forms = [message.string] if isinstance(message.string, str) else message.string
        return all(forms) and not message.fuzzy

    assert [message.id for message in russian if message.id and not is_complete(message)] == []


def test_every_text_keeps_its_changing_parts_in_russian(russian: Catalog) -> None:
    wrong = {message.id: errors for message in russian if (errors := list(message.check(russian)))}
    assert wrong == {}


@pytest.mark.parametrize("house", ["chassis", *(f"{service}_service" for service in DEFAULT_PORTS)])
def test_every_text_of_the_house_is_in_the_catalogue(house: str, russian: Catalog) -> None:
    with (CHASSIS / "babel.cfg").open() as file:
        method_map, options_map = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    found = extract_from_dir(str(REPOSITORY / house), method_map, options_map)
    missing = {message for _file, _line, message, _comments, context in found if russian.get(message, context) is None}
    assert missing == set()


@pytest.mark.parametrize(
    ("form", "english", "russian"),
    [
        ("axis", "27 Nov", "27 нояб."),
        ("medium", "27 Nov 2026", "27 нояб. 2026\u202fг."),
        ("long", "27 November 2026", "27 ноября 2026\u202fг."),
        ("full", "Friday, 27 November 2026", "пятница, 27 ноября 2026\u202fг."),
    ],
)
def test_a_day_begins_with_its_number_in_every_form_and_language(form: str, english: str, russian: str) -> None:
    day = date(2026, 11, 27)
    assert tuple(format_day_in(LOCALES[language], day, form) for language in ("en", "ru")) == (english, russian)


@pytest.fixture
def in_russian() -> Iterator[None]:
    app = Flask(__name__)
    init_i18n(app, ZoneInfo("Europe/Moscow"))
    with app.test_request_context("/?lang=ru"):
        yield


@pytest.mark.usefixtures("in_russian")
def test_a_moment_is_written_as_a_day_and_a_time_of_the_business_time_zone() -> None:
    moment = datetime(2026, 11, 27, 22, 3, 9, tzinfo=UTC)
    assert format_moment(moment) == "28 нояб. 2026\u202fг., 01:03"
    assert format_moment(moment, "medium") == "28 нояб. 2026\u202fг., 01:03:09"


@pytest.mark.usefixtures("in_russian")
def test_a_day_in_an_error_is_written_like_any_other() -> None:
    text = "The books of %(day)s do not balance:"
    assert translate(text, {"day": date(2026, 11, 27)}) == "Книги за 27 нояб. 2026\u202fг. не сходятся:"


@pytest.mark.usefixtures("in_russian")
def test_what_marshmallow_has_filled_in_is_translated_as_well() -> None:
    with pytest.raises(ValidationError) as too_many:
        validate.Range(1, 200)(201)
    with pytest.raises(ValidationError) as none_of_them:
        validate.OneOf(["open", "done"])("gone")
    assert translate(str(too_many.value.messages[0])) == "Должно быть не меньше 1 и не больше 200."
    assert translate(str(none_of_them.value.messages[0])) == "Допустимые значения: open, done."
