"""How money and days are written without a request, as in letters. `chassis.i18n` does it for pages.

Days look alike wherever they stand, on pages, on axes, in letters: docs/glossary.md, "How things are written".
"""

from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from babel import Locale

#: Whose customs are followed in each language.
LOCALES = {"en": "en_GB", "ru": "ru_RU"}


def format_money(cents: int) -> str:
    """Write cents as dollars: 1234 is `$12.34`, with a true minus sign below zero."""
    dollars, rest = divmod(abs(cents), 100)
    return f"{'−' if cents < 0 else ''}${dollars:,}.{rest:02}"


def format_day_in(locale: "Locale | str", day: date, form: str) -> str:
    """Write a business day, which has no time zone of its own any more.

    `axis` is `27 Nov`, `medium` is `27 Nov 2026`, `long` spells the month, `full` names the day of the week as well.
    """
    from babel.dates import format_date, format_skeleton  # heavy, and most processes write no day

    return format_skeleton("MMMd", day, locale=locale) if form == "axis" else format_date(day, form, locale=locale)
