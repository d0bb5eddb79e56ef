"""What the tracker keeps of billing's events, to show it beside the tasks. Every function may be called again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Table, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from tracker_service.models import Base, CarriedDebt, ClosedDay

_NOTE_PRICES = text(
    """
    UPDATE tasks SET fee_cents = told.fee_cents, reward_cents = told.reward_cents, priced_at = told.priced_at
    FROM unnest(
        CAST(:task_ids AS uuid[]), CAST(:fees AS int[]), CAST(:rewards AS int[]), CAST(:moments AS timestamptz[])
    ) AS told (task_id, fee_cents, reward_cents, priced_at)
    WHERE tasks.public_id = told.task_id AND tasks.priced_at IS NULL
    """
)
_NOTE_MOVEMENTS = text(
    """
    INSERT INTO movements (transaction_id, user_id, kind, task_id, amount_cents, business_day, posted_at)
    SELECT * FROM unnest(
        CAST(:transaction_ids AS uuid[]), CAST(:user_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:task_ids AS uuid[]),
        CAST(:amounts AS bigint[]), CAST(:days AS date[]), CAST(:moments AS timestamptz[])
    )
    ON CONFLICT (transaction_id) DO NOTHING
    RETURNING transaction_id
    """
)
#: A charge belongs to the run whose assignment caused it.
_COUNT_INTO_RUNS = text(
    """
    UPDATE reassignments SET charged = charged + new.charges, cost_cents = cost_cents + new.cents
    FROM (
        SELECT assignments.reassignment_id, count(*) AS charges, -sum(charge.amount_cents) AS cents
        FROM unnest(CAST(:task_ids AS uuid[]), CAST(:causes AS uuid[]), CAST(:amounts AS bigint[]))
             AS charge (task_id, cause, amount_cents)
        JOIN tasks ON tasks.public_id = charge.task_id
        JOIN assignments ON assignments.task_number = tasks.id AND assignments.event_id = charge.cause
        WHERE assignments.reassignment_id IS NOT NULL
        GROUP BY assignments.reassignment_id
    ) new
    WHERE reassignments.id = new.reassignment_id
    """
)

_KEEP_NEWEST_BALANCES = text(
    """
    INSERT INTO balances (user_id, balance_cents, sequence)
    SELECT * FROM unnest(CAST(:user_ids AS uuid[]), CAST(:balances AS bigint[]), CAST(:sequences AS int[]))
    ON CONFLICT (user_id) DO UPDATE SET balance_cents = excluded.balance_cents, sequence = excluded.sequence
    WHERE balances.sequence < excluded.sequence
    """
)


def _table(model: type[Base]) -> Table:
    return Base.metadata.tables[model.__tablename__]


@dataclass(frozen=True, kw_only=True)
class Prices:
    """What a task costs and earns, as billing has set it."""

    task_id: UUID
    fee_cents: int
    reward_cents: int
    priced_at: datetime


@dataclass(frozen=True, kw_only=True)
class Posting:
    """A movement as billing tells of it."""

    transaction_id: UUID
    user_id: UUID
    kind: str
    task_id: UUID | None
    #: Signed as the employee sees it.
    amount_cents: int
    business_day: date
    posted_at: datetime
    cause_event_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class Holding:
    """What an account holds, as billing tells of it."""

    user_id: UUID
    balance_cents: int
    #: Of the account.
    sequence: int


def note_prices(session: Session, told: Iterable[Prices]) -> None:
    """Note the prices of tasks that have none yet. Of a task that is not the tracker's own there is nothing to show."""
    first: dict[UUID, Prices] = {}
    for prices in told:
        first.setdefault(prices.task_id, prices)
    if first:
        columns = {
            "task_ids": [str(task_id) for task_id in first],
            "fees": [prices.fee_cents for prices in first.values()],
            "rewards": [prices.reward_cents for prices in first.values()],
            "moments": [prices.priced_at for prices in first.values()],
        }
        session.execute(_NOTE_PRICES, columns)


def note_movements(session: Session, postings: Sequence[Posting]) -> None:
    """Note movements, and count the charges among them into the runs that caused them."""
    if not postings:
        return
    columns = {
        "transaction_ids": [str(posting.transaction_id) for posting in postings],
        "user_ids": [str(posting.user_id) for posting in postings],
        "kinds": [posting.kind for posting in postings],
        "task_ids": [posting.task_id and str(posting.task_id) for posting in postings],
        "amounts": [posting.amount_cents for posting in postings],
        "days": [posting.business_day for posting in postings],
        "moments": [posting.posted_at for posting in postings],
    }
    new = set(session.scalars(_NOTE_MOVEMENTS, columns))
    charges = {p.transaction_id: p for p in postings if p.kind == "fee" and p.task_id and p.transaction_id in new}
    if charges:
        _count_into_runs(session, charges.values())


def note_balances(session: Session, holdings: Iterable[Holding]) -> None:
    """Keep the newest balance of each account."""
    newest = {one.user_id: one for one in sorted(holdings, key=lambda one: one.sequence)}
    if newest:
        told = [newest[user_id] for user_id in sorted(newest)]
        columns = {
            "user_ids": [str(one.user_id) for one in told],
            "balances": [one.balance_cents for one in told],
            "sequences": [one.sequence for one in told],
        }
        session.execute(_KEEP_NEWEST_BALANCES, columns)


def note_carried_debt(session: Session, user_id: UUID, *, day: date, balance_cents: int, carried_at: datetime) -> None:
    """Note what an account carries from a closed day into the next."""
    carried = {"user_id": user_id, "day": day, "balance_cents": balance_cents, "carried_at": carried_at}
    session.execute(insert(_table(CarriedDebt)).values(carried).on_conflict_do_nothing())


def note_closed_day(session: Session, day: date) -> None:
    """Note that billing has closed a business day."""
    session.execute(insert(_table(ClosedDay)).values(day=day).on_conflict_do_nothing())


def _count_into_runs(session: Session, charges: Iterable[Posting]) -> None:
    told = list(charges)
    columns = {
        "task_ids": [str(charge.task_id) for charge in told],
        "causes": [charge.cause_event_id and str(charge.cause_event_id) for charge in told],
        "amounts": [charge.amount_cents for charge in told],
    }
    session.execute(_COUNT_INTO_RUNS, columns)
