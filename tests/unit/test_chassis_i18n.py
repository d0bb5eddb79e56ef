"""Money and the two languages."""

from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po

import chassis
from chassis.errors import Conflict
from chassis.i18n import format_money
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
