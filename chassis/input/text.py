"""What people write: names, titles, notes. Pure, so that the rules of every service can stand on it.

Categories are those of the Unicode Standard (https://www.unicode.org/reports/tr44/#General_Category_Values), directions
those of its bidirectional algorithm (https://www.unicode.org/reports/tr9/).
"""

import re
from unicodedata import bidirectional, category

#: Embeddings, overrides and isolates: what they begin runs on into the text beside them. The marks that people who
#: write from right to left type (U+200E, U+200F, U+061C) turn nothing around, and stay.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
#: Letters and symbols by their category, and yet nothing is to be seen: the Hangul fillers, the blank pattern of
#: Braille, the empty note head of music.
_BLANK = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159")
#: Letters, numbers, punctuation and symbols. A mark shows only on something else.
_SEEN = frozenset("LNPS")
#: The categories Cc and Cs but for ends of lines and tabs. Postgres keeps neither NUL nor half of a surrogate pair.
_NO_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_FROM_RIGHT_TO_LEFT = frozenset(("R", "AL"))
_FIRST_STRONG_ISOLATE, _POP_ISOLATE = "\u2068", "\u2069"


def tidy(text: str) -> str:
    """Return the text without the blanks around it, and without what turns the direction of other text around."""
    return _TURNS.sub("", text).strip()


def is_text(text: str) -> bool:
    """Tell whether it is text of any number of lines: no control characters, and no halves of surrogate pairs."""
    return _NO_TEXT.search(text) is None


def is_line(text: str) -> bool:
    """Tell whether it is text of one line at most."""
    return is_text(text) and "\t" not in text and len(text.splitlines()) <= 1


def is_visible(text: str) -> bool:
    """Tell whether there is anything to be seen: more than blanks, marks and characters without a shape."""
    return any(category(character)[0] in _SEEN and character not in _BLANK for character in text)


def isolated(text: str) -> str:
    """Return the text for the middle of a sentence, which it cannot turn around; pages have `<bdi>` for that."""
    text = _TURNS.sub("", text)
    if any(bidirectional(character) in _FROM_RIGHT_TO_LEFT for character in text):
        return f"{_FIRST_STRONG_ISOLATE}{text}{_POP_ISOLATE}"
    return text
