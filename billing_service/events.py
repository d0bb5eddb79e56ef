"""The events that billing publishes. Account events share one sequence per account, day events one per day."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from billing_service.domain.closing import income
from messaging import Event


def task_priced(task_id: UUID, *, fee_cents: int, reward_cents: int, priced_at: datetime) -> Event:
    """A task got its prices: the only event about a price, since it never changes."""
    data = {
        "task_id": str(task_id),
        "fee_cents": fee_cents,
        "reward_cents": reward_cents,
        "priced_at": priced_at.isoformat(),
    }
    return Event.new("billing.task_priced.v1", subject=str(task_id), sequence=1, data=data)


def account_opened(account_id: UUID, user_id: UUID, *, sequence: int, opened_at: datetime) -> Event:
    """An account was opened, or opened again."""
    return _of_account("billing.account_opened.v1", account_id, user_id, sequence, {"opened_at": opened_at.isoformat()})


def account_closed(account_id: UUID, user_id: UUID, *, sequence: int, closed_at: datetime) -> Event:
    """A blocked person's account was closed."""
    return _of_account("billing.account_closed.v1", account_id, user_id, sequence, {"closed_at": closed_at.isoformat()})


def transaction_posted(
    account_id: UUID,
    user_id: UUID,
    *,
    sequence: int,
    transaction_id: UUID,
    kind: str,
    task_id: UUID | None,
    amount_cents: int,
    balance_after_cents: int,
    business_day: date,
    posted_at: datetime,
    cause_event_id: UUID | None,
) -> Event:
    """Money moved on an employee's account."""
    data = {
        "transaction_id": str(transaction_id),
        "kind": kind,
        "task_id": _id(task_id),
        "amount_cents": amount_cents,
        "balance_after_cents": balance_after_cents,
        "business_day": business_day.isoformat(),
        "posted_at": posted_at.isoformat(),
        "cause_event_id": _id(cause_event_id),
    }
    return _of_account("billing.transaction_posted.v1", account_id, user_id, sequence, data)


def balance_changed(
    account_id: UUID, user_id: UUID, *, sequence: int, balance_cents: int, business_day: date, changed_at: datetime
) -> Event:
    """An account's balance is another one now."""
    data = {
        "balance_cents": balance_cents,
        "business_day": business_day.isoformat(),
        "changed_at": changed_at.isoformat(),
    }
    return _of_account("billing.balance_changed.v1", account_id, user_id, sequence, data)


def payout_made(
    account_id: UUID,
    user_id: UUID,
    *,
    sequence: int,
    payout_id: UUID,
    day: date,
    amount_cents: int,
    made_at: datetime,
) -> Event:
    """A balance was paid out."""
    data = {
        "payout_id": str(payout_id),
        "day": day.isoformat(),
        "amount_cents": amount_cents,
        "made_at": made_at.isoformat(),
    }
    return _of_account("billing.payout_made.v1", account_id, user_id, sequence, data)


def payout_failed(
    account_id: UUID,
    user_id: UUID,
    *,
    sequence: int,
    payout_id: UUID,
    day: date,
    amount_cents: int,
    reason: str,
    failed_at: datetime,
) -> Event:
    """The letter about a payout was given up; the money was paid all the same."""
    data = {
        "payout_id": str(payout_id),
        "day": day.isoformat(),
        "amount_cents": amount_cents,
        "reason": reason,
        "failed_at": failed_at.isoformat(),
    }
    return _of_account("billing.payout_failed.v1", account_id, user_id, sequence, data)


def balance_carried(
    account_id: UUID, user_id: UUID, *, sequence: int, day: date, balance_cents: int, carried_at: datetime
) -> Event:
    """There was nothing to pay out: the balance goes on to the next day."""
    data = {"day": day.isoformat(), "balance_cents": balance_cents, "carried_at": carried_at.isoformat()}
    return _of_account("billing.balance_carried.v1", account_id, user_id, sequence, data)


def management_income_changed(
    day: date, *, sequence: int, fees_cents: int, rewards_cents: int, changed_at: datetime
) -> Event:
    """The management earned or lost something: the totals of the day so far."""
    data = {**_income(fees_cents, rewards_cents), "changed_at": changed_at.isoformat()}
    return _of_day("billing.management_income_changed.v1", day, sequence, data)


def day_closed(
    day: date,
    *,
    sequence: int,
    fees_cents: int,
    rewards_cents: int,
    payouts_count: int,
    payouts_cents: int,
    negative_accounts: int,
    closed_at: datetime,
) -> Event:
    """A day is over for good."""
    data = {
        **_income(fees_cents, rewards_cents),
        "payouts_count": payouts_count,
        "payouts_cents": payouts_cents,
        "negative_accounts": negative_accounts,
        "closed_at": closed_at.isoformat(),
    }
    return _of_day("billing.day_closed.v1", day, sequence, data)


def _of_account(event_type: str, account_id: UUID, user_id: UUID, sequence: int, data: dict[str, Any]) -> Event:
    return Event.new(
        event_type,
        subject=str(account_id),
        sequence=sequence,
        data={"account_id": str(account_id), "user_id": str(user_id), **data},
    )


def _of_day(event_type: str, day: date, sequence: int, data: dict[str, Any]) -> Event:
    return Event.new(event_type, subject=day.isoformat(), sequence=sequence, data={"day": day.isoformat(), **data})


def _income(fees_cents: int, rewards_cents: int) -> dict[str, int]:
    return {
        "fees_cents": fees_cents,
        "rewards_cents": rewards_cents,
        "income_cents": income(fees_cents, rewards_cents),
    }


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)
