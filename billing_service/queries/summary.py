"""Billing in a few numbers, for the first page of a person."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from billing_service.models import FAILED, UNKNOWN, Payout
from billing_service.queries.days import current_day, first_open_day, income_of
from chassis.business_clock import calendar_day


@dataclass(frozen=True)
class Books:
    """What those see of the whole who see everybody's accounts."""

    income_today_cents: int
    first_open_day: date
    #: Days that are over and not closed.
    days_to_close: int
    #: Payouts whose letter was not delivered, or perhaps not.
    letters_in_trouble: int


def books(session: Session) -> Books:
    """Return the whole."""
    first = first_open_day(session)
    return Books(
        income_today_cents=income_of(session, current_day(session)).income_cents,
        first_open_day=first,
        days_to_close=max(0, (calendar_day(session) - first).days),
        letters_in_trouble=letters_in_trouble(session),
    )


def needs_of_person(session: Session) -> dict[str, int]:
    """Return how much waits for a person besides messages and jobs, by its kind."""
    return {"letters": letters_in_trouble(session)}


def letters_in_trouble(session: Session) -> int:
    """Return how many letters were not delivered, or perhaps not."""
    in_trouble = select(func.count()).where(Payout.letter.in_((FAILED, UNKNOWN)))
    return session.scalar(in_trouble) or 0
