"""The most expensive task: the highest reward among the tasks completed in a period."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from analytics_service.domain.calendar import Period, Span, period_of, periods_in


@dataclass(frozen=True)
class Completion:
    """A task that was completed and paid for."""

    task_id: UUID
    reward_cents: int
    business_day: date
    completed_at: datetime


@dataclass(frozen=True)
class Top:
    """A period and its most expensive task; None when none was completed."""

    period: Span
    completion: Completion | None


def rank(completion: Completion) -> tuple[int, datetime, UUID]:
    """The least is the most expensive; of equal rewards the earlier completion wins."""
    return (-completion.reward_cents, completion.completed_at, completion.task_id)


def top_tasks(completions: Iterable[Completion], wanted: Span, period: Period) -> Sequence[Top]:
    """The top of every period with a day in the range. Of each day at least its best completion is given."""
    best: dict[Span, Completion] = {}
    for completion in completions:
        where = period_of(completion.business_day, period)
        if where not in best or rank(completion) < rank(best[where]):
            best[where] = completion
    return [Top(where, best.get(where)) for where in periods_in(wanted, period)]
