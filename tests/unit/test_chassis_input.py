"""What people and programs send: text, days, amounts, JSON."""

import json
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.input.amounts import MAX_CENTS, cents_of, dollars, is_amount
from chassis.input.bodies import BeyondLimits, load_json
from chassis.input.days import FIRST_DAY, LAST_DAY, read_day
from chassis.input.text import is_line, is_text, is_visible, isolated, tidy
from messaging.strict_json import MAX_DEPTH

#: What a browser shows as nothing at all, or as a blank.
NOTHING = ["\u200b", "\u2060", "\ufeff", "\xad", "\u202e", "️", "ㅤ", "⠀", "́", "ᅟ", "ᅠ", "ﾠ", "\u180e", "͏", "\U000e0041"]


@pytest.mark.parametrize("nothing", [*NOTHING, "", " \u00a0\u3000", "".join(NOTHING), "\ue000"])
def test_what_shows_nothing_is_not_visible(nothing: str) -> None:
    assert not is_visible(nothing)
    assert is_visible(f"{nothing}a")


@pytest.mark.parametrize(
    "text",
    ["a", "7", "!", "é", "e\u0301", "Кеша", "ببغاء", "תוכי", "鹦鹉", "앵무새", "🦜", "❤\ufe0f", "نمی\u200cخواهم"],
)
def test_every_script_is_visible_and_stays_as_it_is(text: str) -> None:
    assert is_visible(text)
    assert is_line(text)
    assert tidy(f" {text}\n") == text


@pytest.mark.parametrize("turn", [*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))])
def test_what_turns_the_direction_of_other_text_around_is_taken_out(turn: str) -> None:
    assert tidy(f"{turn} fly {turn}home") == "fly home"
    assert isolated(f"{turn}fly") == "fly"


def test_text_from_right_to_left_is_kept_and_set_apart_from_the_sentence_around_it() -> None:
    name = "\u200fכוכבית\u200e"
    assert tidy(name) == name
    assert isolated(name) == f"\u2068{name}\u2069"
    assert isolated("Kesha") == "Kesha"


@pytest.mark.parametrize("nonsense", ["a\x00b", "a\x1bb", "a\x7fb", "a\x85b", "a\x9bb", "a\ud800b"])
def test_control_characters_and_halves_of_surrogate_pairs_are_no_text(nonsense: str) -> None:
    assert not is_text(nonsense)
    assert not is_line(nonsense)


@pytest.mark.parametrize("lines", ["a\nb", "a\r\nb", "a\tb", "a\u2028b"])
def test_text_can_have_lines_and_a_line_cannot(lines: str) -> None:
    assert is_text(lines)
    assert not is_line(lines)


@given(st.text())
def test_what_is_tidy_stays_so(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)
    if is_text(text):
        assert text.encode().decode() == text


@pytest.mark.parametrize("day", [FIRST_DAY, date(2026, 11, 21), LAST_DAY])
def test_a_day_is_read(day: date) -> None:
    assert read_day(day.isoformat()) == day


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nut",
        "0001-01-01",
        "1999-12-31",
        "3000-01-01",
        "9999-12-31",
        "2026-02-30",
        "2026-W47-6",
        "20261121",
        "٢٠٢٦-١١-٢١",
    ],
)
def test_what_is_no_day_of_a_company_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"day|form|between|range"):
        read_day(text)


@pytest.mark.parametrize(
    ("written", "cents"),
    [
        ("12.5", 1250),
        (" −$12,50 ", -1250),
        ("1000000", MAX_CENTS),
        ("", None),
        ("1e3", None),
        ("1" * 5000, None),
        ("١٢", None),
    ],
)
def test_an_amount_is_read_as_people_write_it(written: str, cents: int | None) -> None:
    assert cents_of(written) == cents


def test_nobody_moves_more_than_a_million_dollars_at_once() -> None:
    assert [is_amount(cents) for cents in (0, 1, -1, MAX_CENTS, -MAX_CENTS)] == [False, True, True, True, True]
    assert not any(is_amount(cents) for cents in (MAX_CENTS + 1, -MAX_CENTS - 1, 2**62, 2**63))


@given(st.integers(0, MAX_CENTS))
def test_an_amount_that_was_written_can_be_read(cents: int) -> None:
    assert cents_of(dollars(cents)) == cents


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "1" * 5000,
        "1e400",
        "NaN",
        '"\\ud800"',
        '{"a": -1e999}',
    ],
)
def test_json_beyond_all_limits_is_told_from_what_is_no_json(text: str) -> None:
    with pytest.raises(BeyondLimits):
        load_json(text.encode())


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[1,]"])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises((json.JSONDecodeError, UnicodeDecodeError)):
        load_json(text)


@given(
    st.recursive(
        st.none() | st.integers(-(2**64), 2**64) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_all_other_json_is_read(value: object) -> None:
    assert load_json(json.dumps(value).encode()) == value
