"""What people read keeps to docs/glossary.md: one word for each thing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po

from billing_service.models import CLOSED
from chassis.people import ROLES
from chassis.settings import REPOSITORY
from tracker_service.ui.frame import STATUS_NAMES

#: Of a table of terms that have Russian; those of the code have fewer.
_COLUMNS = 4


@dataclass(frozen=True)
class Term:
    """A row of the glossary that has Russian."""

    english: list[str]
    russian: list[str]
    forbidden: list[str]


def terms() -> Iterator[Term]:
    for line in (REPOSITORY / "docs/glossary.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == _COLUMNS and cells[0] not in ("English", "---"):
            yield Term(cells[0].split(", "), cells[1].split(", "), re.findall("`([^`]+)`", cells[3]))


def catalogue() -> Catalog:
    with (REPOSITORY / "chassis/translations/ru/LC_MESSAGES/messages.po").open("rb") as file:
        return read_po(file, locale="ru")


TERMS = list(terms())
RUSSIAN = catalogue()
LETTER = (REPOSITORY / "billing_service/templates/billing/letter.txt").read_text(encoding="utf-8")


def forms(texts: str | list[str] | tuple[str, ...]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def texts_of(message: Message) -> list[str]:
    assert message.string is not None
    return [*forms(message.id), *forms(message.string)]


READ_BY_PEOPLE = [LETTER, *(text for message in RUSSIAN if message.id for text in texts_of(message))]


@pytest.mark.parametrize("forbidden", [word for term in TERMS for word in term.forbidden])
def test_a_word_that_the_glossary_rules_out_is_read_nowhere(forbidden: str) -> None:
    pattern = re.compile(rf"\b{re.escape(forbidden)}", re.IGNORECASE)
    assert [text for text in READ_BY_PEOPLE if pattern.search(text)] == []


def test_a_term_that_stands_alone_has_the_russian_of_the_glossary() -> None:
    russian = {english.lower(): [each.lower() for each in term.russian] for term in TERMS for english in term.english}
    wrong = {
        message.id: message.string
        for message in RUSSIAN
        if isinstance(message.id, str)
        and not message.context
        and (known := russian.get(message.id.lower()))
        and str(message.string).lower() not in known
    }
    assert wrong == {}


@pytest.mark.parametrize("name", [*STATUS_NAMES.values(), *ROLES, f"day {CLOSED}", f"account {CLOSED}"])
def test_every_status_and_every_role_has_a_name_in_both_languages(name: str) -> None:
    message = RUSSIAN.get(name)
    assert message is not None
    assert message.string not in ("", name)
