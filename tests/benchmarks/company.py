"""A made-up company at work: every event that its services would have published, and what the figures are in the end.

Days follow each other, each with the same number of batches and then its close. What billing tells once per account
and batch, it tells here once per account and batch, too.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from uuid import UUID, uuid4

from auth_service import events as auth
from auth_service.models import SignIn
from auth_service.models import User as Person
from billing_service import events as billing
from messaging import Event, caused_by
from tracker_service import events as tracker
from tracker_service.models import Task

PEOPLE = 500
FIRST_DAY = date(2024, 1, 1)
#: Movements that billing posts at once, and how often in a day.
_BATCH = 20
_BATCHES_OF_A_DAY = 700
#: Of all that happens to tasks; the rest is reassigned.
_CREATED, _COMPLETED = 0.35, 0.32
#: Of those tasks that are reassigned, so many are reworded, too.
_REWORDED = 0.1
_SIGNED_OUT, _RENAMED = 0.7, 0.02  # in each batch
_STEP = timedelta(seconds=45)
_FEE_CENTS, _REWARD_CENTS = (1000, 2000), (2000, 4000)


@dataclass
class Account:
    """A person's account with billing."""

    user_id: UUID
    account_id: UUID = field(default_factory=uuid4)
    balance_cents: int = 0
    sequence: int = 0
    moved: bool = False

    def next_sequence(self) -> int:
        """Count up and return it, for one event."""
        self.sequence += 1
        return self.sequence


@dataclass(frozen=True)
class Completion:
    """A task that was completed and paid for."""

    reward_cents: int
    at: datetime
    task_id: UUID
    title: str


@dataclass
class Day:
    """What analytics is to show of a day."""

    fees_cents: int = 0
    rewards_cents: int = 0
    #: Accounts below zero at its end.
    negative_accounts: int = 0
    #: Of the most expensive task.
    top: Completion | None = None
    sequence: int = 0

    @property
    def income_cents(self) -> int:
        """Return what the management earned."""
        return self.fees_cents - self.rewards_cents

    def next_sequence(self) -> int:
        """Count up and return it, for one event."""
        self.sequence += 1
        return self.sequence


@dataclass(frozen=True)
class _Open:
    """A task that is not done, with its prices."""

    task: Task
    fee_cents: int
    reward_cents: int


class Company:
    """Works for as long as one listens. After each list of events the figures are those that they add up to."""

    def __init__(self) -> None:
        """Register nobody yet."""
        self._random = Random(9)
        self._people = [_person(number) for number in range(PEOPLE)]
        self._open: list[_Open] = []
        self._now = datetime.combine(FIRST_DAY, time(5), UTC)
        self._today = FIRST_DAY
        self.accounts = [Account(person.id) for person in self._people]
        self._account_of = {account.user_id: account for account in self.accounts}
        self.days: dict[date, Day] = {FIRST_DAY: Day()}
        self.tasks = 0
        self.movements = 0

    def history(self) -> Iterator[list[Event]]:
        """Yield what happens, for ever, each time up to a moment at which all that happened has been told."""
        yield self._begin()
        while True:
            for _ in range(_BATCHES_OF_A_DAY):
                yield self._work()
            yield self._close_day()

    def _begin(self) -> list[Event]:
        told = []
        for person, account in zip(self._people, self.accounts, strict=True):
            registered = auth.user_registered(person, sequence=person.next_sequence(), changed_at=self._now)
            with caused_by(registered):
                opened = billing.account_opened(
                    account.account_id, person.id, sequence=account.next_sequence(), opened_at=self._now
                )
            told += [registered, opened]
        return self._at(told, self._now)

    def _work(self) -> list[Event]:
        self._now += _STEP
        told: list[Event] = []
        posted: list[Event] = []
        touched: dict[UUID, Account] = {}
        for _ in range(_BATCH):
            what = self._random.random()
            if what < _CREATED or not self._open:
                account = self._create(told, posted)
            elif what < _CREATED + _COMPLETED:
                account = self._complete(told, posted)
            else:
                account = self._reassign(told, posted)
            touched[account.account_id] = account
        told += self._come_and_go()
        later = self._now + timedelta(seconds=1)
        with caused_by(told[0]):
            posted += [self._balance_changed(account, later) for account in touched.values()]
            posted.append(self._income_changed(later))
        self.days[self._today].negative_accounts = self._below_zero()
        return [*self._at(told, self._now), *self._at(posted, later)]

    def _create(self, told: list[Event], posted: list[Event]) -> Account:
        self.tasks += 1
        found = _Open(
            Task(
                public_id=uuid4(),
                title=f"Polish perch {self.tasks}",
                jira_id=f"POPUG-{self.tasks}" if self.tasks % 2 else None,
                description="The upper one, with the soft cloth. " * 3,
                created_by=self._draw().user_id,
                created_at=self._now,
            ),
            self._random.randint(*_FEE_CENTS),
            self._random.randint(*_REWARD_CENTS),
        )
        self._open.append(found)
        told.append(tracker.task_created(found.task, sequence=found.task.next_sequence()))
        return self._assign(found, told, posted, assignment_no=1)

    def _reassign(self, told: list[Event], posted: list[Event]) -> Account:
        found = self._random.choice(self._open)
        if self._random.random() < _REWORDED:
            found.task.title += ", please"
            sequence = found.task.next_sequence()
            told.append(tracker.task_updated(found.task, sequence=sequence, updated_at=self._now))
        return self._assign(found, told, posted, assignment_no=found.task.assignment_no + 1)

    def _assign(self, found: _Open, told: list[Event], posted: list[Event], *, assignment_no: int) -> Account:
        account, task = self._draw(), found.task
        task.assignee_id, task.assignment_no = account.user_id, assignment_no
        assigned = tracker.task_assigned(
            task.public_id,
            sequence=task.next_sequence(),
            assignee_id=account.user_id,
            assignment_no=assignment_no,
            reassignment_id=uuid4() if assignment_no > 1 else None,
            assigned_at=self._now,
        )
        told.append(assigned)
        with caused_by(assigned):
            if assignment_no == 1:
                prices = {"fee_cents": found.fee_cents, "reward_cents": found.reward_cents}
                posted.append(billing.task_priced(task.public_id, **prices, priced_at=self._now))
            posted.append(self._post(account, "fee", -found.fee_cents, task=task, cause=assigned))
        self.days[self._today].fees_cents += found.fee_cents
        return account

    def _complete(self, told: list[Event], posted: list[Event]) -> Account:
        place = self._random.randrange(len(self._open))
        self._open[place], self._open[-1] = self._open[-1], self._open[place]
        found = self._open.pop()
        task, account, day = found.task, self._account_of[found.task.assignee_id], self.days[self._today]
        completed = tracker.task_completed(task, sequence=task.next_sequence(), completed_at=self._now)
        told.append(completed)
        with caused_by(completed):
            posted.append(self._post(account, "reward", found.reward_cents, task=task, cause=completed))
        day.rewards_cents += found.reward_cents
        this = Completion(found.reward_cents, self._now, task.public_id, task.title)
        day.top = min(day.top or this, this, key=_rank)
        return account

    def _post(self, account: Account, kind: str, cents: int, *, task: Task | None, cause: Event | None) -> Event:
        account.balance_cents += cents
        account.moved = True
        self.movements += 1
        return billing.transaction_posted(
            account.account_id,
            account.user_id,
            sequence=account.next_sequence(),
            transaction_id=uuid4(),
            kind=kind,
            task_id=task.public_id if task else None,
            amount_cents=cents,
            balance_after_cents=account.balance_cents,
            business_day=self._today,
            posted_at=self._now,
            cause_event_id=cause.id if cause else None,
        )

    def _balance_changed(self, account: Account, at: datetime) -> Event:
        return billing.balance_changed(
            account.account_id,
            account.user_id,
            sequence=account.next_sequence(),
            balance_cents=account.balance_cents,
            business_day=self._today,
            changed_at=at,
        )

    def _income_changed(self, at: datetime) -> Event:
        day = self.days[self._today]
        return billing.management_income_changed(
            self._today,
            sequence=day.next_sequence(),
            fees_cents=day.fees_cents,
            rewards_cents=day.rewards_cents,
            changed_at=at,
        )

    def _come_and_go(self) -> list[Event]:
        told: list[Event] = []
        if self._random.random() < _SIGNED_OUT:
            account = self._draw()
            sign_in = SignIn(
                id=uuid4(), user_id=account.user_id, method="beak", signed_in_at=self._now - timedelta(minutes=5)
            )
            told += [auth.user_signed_in(sign_in), auth.user_signed_out(sign_in, signed_out_at=self._now)]
        if self._random.random() < _RENAMED:
            person = self._random.choice(self._people)
            person.name += " II"
            told.append(auth.user_updated(person, sequence=person.next_sequence(), changed_at=self._now))
        return told

    def _close_day(self) -> list[Event]:
        self._now = datetime.combine(self._today + timedelta(days=1), time(0), UTC)
        day, told, paid = self.days[self._today], [], []
        for account in self.accounts:
            cents = account.balance_cents
            if cents > 0:
                paid.append(cents)
                told.append(self._post(account, "payout", -cents, task=None, cause=None))
                told += [self._balance_changed(account, self._now), self._payout_made(account, cents)]
            else:
                told.append(self._carried(account))
        day.negative_accounts = self._below_zero()
        closed = billing.day_closed(
            self._today,
            sequence=day.next_sequence(),
            fees_cents=day.fees_cents,
            rewards_cents=day.rewards_cents,
            payouts_count=len(paid),
            payouts_cents=sum(paid),
            negative_accounts=day.negative_accounts,
            closed_at=self._now,
        )
        self._today += timedelta(days=1)
        self.days[self._today] = Day(negative_accounts=day.negative_accounts)
        at, self._now = self._now, datetime.combine(self._today, time(5), UTC)
        return self._at([*told, closed], at)

    def _payout_made(self, account: Account, cents: int) -> Event:
        sequence = account.next_sequence()
        return billing.payout_made(
            account.account_id,
            account.user_id,
            sequence=sequence,
            payout_id=uuid4(),
            day=self._today,
            amount_cents=cents,
            made_at=self._now,
        )

    def _carried(self, account: Account) -> Event:
        return billing.balance_carried(
            account.account_id,
            account.user_id,
            sequence=account.next_sequence(),
            day=self._today,
            balance_cents=account.balance_cents,
            carried_at=self._now,
        )

    def _draw(self) -> Account:
        return self._random.choice(self.accounts)

    def _below_zero(self) -> int:
        return sum(account.balance_cents < 0 for account in self.accounts)

    @staticmethod
    def _at(told: list[Event], moment: datetime) -> list[Event]:
        return [replace(event, time=moment) for event in told]


def _person(number: int) -> Person:
    return Person(
        id=uuid4(), name=f"Kesha {number}", email=f"kesha{number}@popug.example", role="popug", status="active"
    )


def _rank(completion: Completion) -> tuple[int, datetime, UUID]:
    """The least is the most expensive one, of equal ones the earliest."""
    return -completion.reward_cents, completion.at, completion.task_id
