"""Where billing's word and our own figures disagree."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

#: Billing announces it; our figure comes from the movements.
FEES, REWARDS, INCOME = "fees_cents", "rewards_cents", "income_cents"
NEGATIVE_ACCOUNTS = "negative_accounts"
BALANCE = "balance_cents"


@dataclass(frozen=True)
class Money:
    """Fees and rewards of a day, as one source has them."""

    fees_cents: int = 0
    rewards_cents: int = 0
    income_cents: int = 0


@dataclass(frozen=True)
class DayFigures:
    """What all sources say of one day."""

    day: date
    #: Of billing's report of the closed day; None while it is open.
    closed: Money | None
    #: Of billing's latest announcement of the day's income: what we show.
    announced: Money
    #: Of the movements that we have heard of.
    moved: Money
    #: Accounts below zero at the end of the day: by billing's report, and by the movements.
    negative_closed: int | None
    negative_moved: int


@dataclass(frozen=True)
class Difference:
    """One figure that disagrees."""

    #: None for what is not of a day.
    day: date | None
    figure: str
    billing: int
    analytics: int
    #: Whose figure it is, where it is an account's.
    account: str | None = None


def differences(days: Iterable[DayFigures]) -> Iterator[Difference]:
    """Compare, day by day, what billing reported or announced with what we show and what the movements add up to."""
    for figures in days:
        if figures.closed is not None:
            yield from _compare(figures.day, figures.closed, figures.announced)
            yield from _compare(figures.day, figures.closed, figures.moved, besides=figures.announced)
        else:
            yield from _compare(figures.day, figures.announced, figures.moved)
        if figures.negative_closed not in (None, figures.negative_moved):
            yield Difference(figures.day, NEGATIVE_ACCOUNTS, figures.negative_closed or 0, figures.negative_moved)


def _compare(day: date, billing: Money, ours: Money, besides: Money | None = None) -> Iterator[Difference]:
    """`besides` was compared before: the same wrong figure is not told twice."""
    for figure in (FEES, REWARDS, INCOME):
        said, have = getattr(billing, figure), getattr(ours, figure)
        if said != have and (besides is None or have != getattr(besides, figure)):
            yield Difference(day, figure, said, have)
