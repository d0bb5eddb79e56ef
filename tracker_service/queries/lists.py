"""Lists of tasks: filtered, sorted, and counted by status, in a fixed number of statements and by indexes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time, timedelta
from types import MappingProxyType
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session, joinedload

from chassis.db import business_timezone
from chassis.paging import Key, Order, Page, PageRequest, fetch_page
from chassis.versions import version_of
from tracker_service.domain.wanted import Wanted
from tracker_service.errors import TooManyNamesakes
from tracker_service.models import COMPLETED, DONE, FEE, JIRA_KEY, OPEN, REWARD, Task, TaskWords, User

#: Where somebody looks for words, more tasks are not counted: each has to be read.
MOST_COUNTED = 10_000

#: Tasks are created in the order of their numbers.
_SORT_KEYS: Mapping[str, tuple[Key, ...]] = MappingProxyType(
    {
        "created": (Task.id,),
        "completed": (COMPLETED, Task.id),
        "fee": (FEE, Task.id),
        "reward": (REWARD, Task.id),
        "title": (Task.title, Task.id),
    }
)
_ONE_DAY = timedelta(days=1)
#: The most people that a filter by name may mean.
_NAMESAKES = 200


@dataclass(frozen=True)
class Counts:
    """How many tasks there are of each status."""

    open: int
    done: int
    #: There are more: it was counted so far and no further.
    at_least: bool

    @property
    def total(self) -> int:
        """Return how many there are of both."""
        return self.open + self.done


def list_tasks(session: Session, wanted: Wanted, *, page: PageRequest) -> Page[Task]:
    """The tasks that are wanted, with assignee and author. Raises Invalid for a cursor of another list.

    A task that is edited, priced or completed while pages are read may move in a list that is sorted by just that.
    """
    statement = select(Task).options(joinedload(Task.assignee, innerjoin=True), joinedload(Task.creator))
    order = Order(_SORT_KEYS[wanted.sort.removeprefix("-")], descending=wanted.sort.startswith("-"))
    return fetch_page(session, _fitting(session, statement, wanted), order, page.about(asdict(wanted)))


def count_tasks(session: Session, wanted: Wanted, *, shown: Page[Task]) -> Counts:
    """How many tasks fit the conditions, those of the other status as well; `shown` is a page of the wanted ones."""
    if wanted.status is None and shown.next_cursor is None and shown.prev_cursor is None:  # it is the whole list
        done = sum(task.status == DONE for task in shown.items)
        return Counts(open=len(shown.items) - done, done=done, at_least=False)
    found = _fitting(session, select(Task.status), replace(wanted, status=None))
    if wanted.text is not None:
        found = found.limit(MOST_COUNTED)
    listed = found.subquery("found")
    statuses = session.execute(select(listed.c.status, func.count()).group_by(listed.c.status))
    by_status: dict[str, int] = dict(statuses.all())
    counted = Counts(by_status.get(OPEN, 0), by_status.get(DONE, 0), at_least=False)
    return replace(counted, at_least=wanted.text is not None and counted.total == MOST_COUNTED)


def list_version(page: Page[Task], counts: Counts) -> str:
    """Return another version whenever a page of a list would look different.

    The page has been read for it: that takes a tenth of a second at most, and the columns are those that are shown.
    """
    rows = [
        (task.id, task.version, task.fee_cents, task.reward_cents, _shown(task.assignee), _shown(task.creator))
        for task in page.items
    ]
    return version_of(counts, page.next_cursor is None, page.prev_cursor is None, rows)


def _shown(person: User | None) -> tuple[str, str] | None:
    return None if person is None else (person.name, person.status)


def people_named(session: Session, name: str, *, field: str) -> tuple[UUID, ...]:
    """Those who have this somewhere in their name, however it is capitalised.

    Raises TooManyNamesakes about the filter of this name.
    """
    fitting = select(User.user_id).where(func.lower(User.name).like(_pattern(name))).order_by(User.user_id)
    found = tuple(session.scalars(fitting.limit(_NAMESAKES + 1)))
    if len(found) > _NAMESAKES:
        raise TooManyNamesakes(field)
    return found


def _fitting(session: Session, statement: Select[*tuple[object, ...]], wanted: Wanted) -> Select[*tuple[object, ...]]:
    conditions: list[ColumnElement[bool]] = []
    if wanted.ids is not None:
        conditions.append(Task.public_id.in_(wanted.ids))
    if wanted.assignee_ids is not None:
        conditions.append(Task.assignee_id.in_(wanted.assignee_ids))
    if wanted.author_ids is not None:
        conditions.append(Task.created_by.in_(wanted.author_ids))
    if wanted.status is not None:
        conditions.append(Task.status == wanted.status)
    if wanted.jira_id is not None:
        conditions.append(func.lower(wanted.jira_id) == JIRA_KEY)
    conditions += _in_period(wanted.first, wanted.last, business_timezone(session))
    if wanted.text is not None:
        statement = statement.join(TaskWords, TaskWords.task_number == Task.id)
        conditions.append(TaskWords.words.like(_pattern(wanted.text)))
    return statement.where(*conditions)


def _in_period(first: date | None, last: date | None, zone: ZoneInfo) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if first is not None:
        conditions.append(Task.created_at >= datetime.combine(first, time(), zone))
    if last is not None:
        conditions.append(Task.created_at < datetime.combine(last + _ONE_DAY, time(), zone))
    return conditions


def _pattern(text: str) -> ColumnElement[str]:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return func.lower(f"%{escaped}%")
