"""What tasks cost and earn, and what they are called."""

from dataclasses import asdict
from datetime import datetime
from random import Random
from uuid import UUID

from sqlalchemy import and_, literal, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books
from billing_service.domain.pricing import Prices, PricingRules, check, draw_prices
from billing_service.models import Pricing, Task
from messaging import publish

_random = Random()


def price_task(session: Session, books: Books, task_id: UUID, *, random: Random = _random) -> Prices:
    """Return the task's prices; draw them if this is the first that is heard of it, by whatever event."""
    found = session.execute(
        select(
            Task.fee_cents,
            Task.reward_cents,
            Pricing.fee_min_cents,
            Pricing.fee_max_cents,
            Pricing.reward_min_cents,
            Pricing.reward_max_cents,
        )
        .select_from(Pricing)
        .outerjoin(Task, and_(literal(True), Task.task_id == task_id))
    ).one()
    if found.fee_cents is not None:
        return Prices(found.fee_cents, found.reward_cents)
    rules = PricingRules(
        fee_min_cents=found.fee_min_cents,
        fee_max_cents=found.fee_max_cents,
        reward_min_cents=found.reward_min_cents,
        reward_max_cents=found.reward_max_cents,
    )
    prices = draw_prices(rules, random)
    # No conflict is possible: who prices has the books open, and so nobody else does.
    session.execute(insert(Task).values(task_id=task_id, priced_at=books.now, **asdict(prices)))
    publish(session, events.task_priced(task_id, priced_at=books.now, **asdict(prices)))
    return prices


def note_words(
    session: Session, task_id: UUID, *, title: str, jira_id: str | None, description: str, sequence: int
) -> None:
    """Note what a priced task is called; words older than those noted already change nothing."""
    session.execute(
        update(Task)
        .where(Task.task_id == task_id, Task.words_sequence < sequence)
        .values(title=title, jira_id=jira_id, description=description, words_sequence=sequence),
        execution_options={"synchronize_session": False},
    )


def set_pricing_rules(session: Session, rules: PricingRules, *, by: UUID, now: datetime) -> None:
    """Draw the prices of tasks yet to come by these rules. Raises InvalidPricingRules."""
    check(rules)
    session.execute(update(Pricing).values(changed_at=now, changed_by=by, **asdict(rules)))
