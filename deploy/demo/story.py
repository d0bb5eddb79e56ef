"""A month in the life of the company, from one day to the next."""

from collections.abc import Callable
from concurrent.futures import Executor
from datetime import date, timedelta
from functools import partial
from random import Random

from chassis.formats import format_money
from deploy.demo import days
from deploy.demo.accidents import Accidents
from deploy.demo.clock import Clock
from deploy.demo.days import Closed
from deploy.demo.people import Company
from deploy.demo.plan import DayPlan, plan_days
from deploy.demo.stage import Stage
from deploy.demo.waiting import until
from deploy.demo.work import Office
from deploy.run_file import Run

#: When in the day what is done: after work begins.
_NOON, _AFTERNOON, _EVENING = 12, 15, 18
_AFTER_A_LETTER = timedelta(minutes=61)


class Story:
    """Lets the days pass."""

    def __init__(self, run: Run, company: Company, clock: Clock, pool: Executor, random: Random, stage: Stage) -> None:
        """Take all that takes part in it."""
        self._company = company
        self._clock = clock
        self._random = random
        self._stage = stage
        self._office = Office(company, pool, random)
        self._accidents = Accidents(run, company, self._office)

    def tell(self, count: int) -> None:
        """Let so many days pass, and the morning after them begin. Raises DeployError."""
        if mended := self._accidents.mend_those_of_the_last_month():
            self._stage.tell(f"Wrong e-mail addresses of the month before that were put right: {mended}.")
        today = days.begin(self._company.admin, self._clock)
        for plan in plan_days(today, count, self._random):
            self._live(plan)
            self._stage.step()
        self._begin_the_day(plan_days(today + timedelta(days=count), 1, self._random)[0])

    def wait_until_a_letter_is_given_up(self) -> None:
        """Let hours pass until the letter to the wrong address has been tried as often as letters are."""
        self._stage.show("a letter is tried once more")
        while (before := self._accidents.attempts_to_reach()) is not None:
            self._clock.pass_until(self._clock.now + _AFTER_A_LETTER)
            until("a letter was tried once more", partial(self._was_tried_again, before))

    def _was_tried_again(self, before: int) -> bool | None:
        return self._accidents.attempts_to_reach() != before or None

    def _live(self, plan: DayPlan) -> None:
        done = self._work(plan)
        for accident in plan.accidents:
            self._stage.tell(f"{_named(plan.day)}: {self._accidents.happen(accident)}")
        self._office.wait_until_paid(done)
        self._stage.show(f"{_named(plan.day)}: the day is closed")
        closed = days.close(self._company.admin, self._clock, plan.day)
        self._stage.tell(_told(closed, plan.tasks, len(done)))

    def _work(self, plan: DayPlan) -> list[str]:
        """Return the ids of the tasks that were done."""
        blocked, show = self._accidents.blocked, self._stage.show
        show(f"{_named(plan.day)}: {plan.tasks} tasks fall on somebody")
        self._office.create_tasks(plan.tasks, without=blocked)
        if plan.reassigns:
            self._at(plan.day, _NOON, self._reassign)
        self._clock.pass_until(self._clock.at(plan.day, _AFTERNOON))
        show(f"{_named(plan.day)}: tasks are done")
        done = self._office.complete_tasks(plan.share_done, without=blocked)
        self._clock.pass_until(self._clock.at(plan.day, _EVENING))
        return done

    def _begin_the_day(self, plan: DayPlan) -> None:
        """So that there is something to be seen of today, too."""
        self._stage.show(f"{_named(plan.day)}: a new day begins")
        self._office.create_tasks(plan.tasks, without=self._accidents.blocked)
        done = self._office.complete_tasks(plan.share_done, without=self._accidents.blocked)
        self._reassign()
        self._office.wait_until_paid(done)

    def _at(self, day: date, hour: int, happens: Callable[[], None]) -> None:
        self._clock.pass_until(self._clock.at(day, hour))
        happens()

    def _reassign(self) -> None:
        self._stage.show("the manager has pressed the button")
        run = self._office.reassign()
        self._stage.tell(
            f"{_named(self._clock.now.date())}: the manager pressed the button, {run['done']} tasks moved."
        )


def _named(day: date) -> str:
    return f"{day:%a %d %b}"


def _told(closed: Closed, created: int, done: int) -> str:
    return (
        f"{_named(closed.day)}: {created} new, {done} done; income {format_money(closed.income_cents)}, "
        f"{format_money(closed.paid_cents)} paid to {closed.paid}, {closed.in_debt} in debt."
    )
