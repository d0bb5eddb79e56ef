"""What a task may be called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker_service.domain.text import (
    DESCRIPTION_LENGTH,
    JIRA_ID_BELONGS_HERE,
    JIRA_ID_LENGTH,
    TITLE_HAS_BRACKETS,
    TITLE_LENGTH,
    TITLE_MISSING,
    TITLE_TOO_LONG,
    task_text,
)
from tracker_service.errors import InvalidTask


def faults(**words: str) -> dict[str, list[str]]:
    with pytest.raises(InvalidTask) as refused:
        task_text(**{"title": "Fly", **words})
    assert refused.value.status == 422
    return refused.value.errors or {}


@pytest.mark.parametrize("title", ["[POPUG-1] Fly", "Fly [home", "home] fly", "[", "]"])
def test_a_title_with_a_bracket_is_refused_with_the_hint_to_use_jira_id(title: str) -> None:
    assert faults(title=title) == {"title": [TITLE_HAS_BRACKETS], "jira_id": [JIRA_ID_BELONGS_HERE]}


def test_who_has_filled_in_jira_id_already_gets_no_hint() -> None:
    assert faults(title="[POPUG-1] Fly", jira_id="POPUG-1") == {"title": [TITLE_HAS_BRACKETS]}


@pytest.mark.parametrize(
    "title", ["", "   ", "\n\t", "\u200b", "\u2060\ufeff\u00ad", "\u202e", "\ufe0f", "\u3164", "\u2800", "\u0301"]
)
def test_a_task_needs_a_title(title: str) -> None:
    assert faults(title=title) == {"title": [TITLE_MISSING]}


def test_brackets_elsewhere_are_fine() -> None:
    text = task_text("Fly (home)", "[POPUG-1]", "see [the map]")
    assert (text.jira_id, text.description) == ("[POPUG-1]", "see [the map]")


def test_lengths_are_counted_without_the_blanks_around() -> None:
    text = task_text(f"  {'t' * TITLE_LENGTH} ", f" {'j' * JIRA_ID_LENGTH} ", f" {'d' * DESCRIPTION_LENGTH} ")
    assert (len(text.title), len(text.jira_id or ""), len(text.description)) == (200, 64, 10_000)


def test_every_fault_is_told_by_field() -> None:
    found = faults(title="[" * 201, jira_id="j" * 65, description="d" * 10_001)
    assert found["title"] == [TITLE_TOO_LONG, TITLE_HAS_BRACKETS]
    assert set(found) == {"title", "jira_id", "description"}


@pytest.mark.parametrize("nonsense", ["a\x00b", "a\ud800b", "a\x1bb"])
def test_what_a_database_cannot_keep_is_no_text(nonsense: str) -> None:
    assert set(faults(title=nonsense, jira_id=nonsense, description=nonsense)) == {"title", "jira_id", "description"}


@pytest.mark.parametrize("two_lines", ["a\nb", "a\u2028b"])
def test_titles_and_keys_are_one_line(two_lines: str) -> None:
    assert set(faults(title=two_lines, jira_id=two_lines, description="two\nlines\tare\nfine")) == {"title", "jira_id"}


@pytest.mark.parametrize("key", ["  ", "\u200b", "\u202e"])
def test_an_empty_key_is_no_key(key: str) -> None:
    assert task_text("Fly", key).jira_id is None


def test_what_turns_the_direction_of_text_around_is_taken_out() -> None:
    text = task_text("Fly\u202e home", "POPUG\u2067-1", "\u202dhigh")
    assert (text.title, text.jira_id, text.description) == ("Fly home", "POPUG-1", "high")


@given(st.text(), st.text(), st.text())
def test_what_is_allowed_is_left_alone_when_it_comes_again(title: str, jira_id: str, description: str) -> None:
    try:
        once = task_text(title, jira_id, description)
    except InvalidTask:
        return
    assert task_text(once.title, once.jira_id, once.description) == once
    assert "[" not in once.title
    assert once.description.encode().decode() == once.description
