"""What tasks cost and earn, and what they are called."""

from dataclasses import asdict
from datetime import datetime
from random import Random, SystemRandom
from uuid import UUID

from sqlalchemy import text, update
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books
from billing_service.commands.direct import execute
from billing_service.domain.pricing import Prices, PricingRules, check, draw_prices
from billing_service.models import Pricing
from messaging import publish

#: Not a generator of our own: two processes that were forked after the import would draw the same prices.
_random = SystemRandom()

_FIND = text(
    """
    SELECT task.fee_cents, task.reward_cents,
           rules.fee_min_cents, rules.fee_max_cents, rules.reward_min_cents, rules.reward_max_cents
    FROM pricing_rules rules LEFT JOIN tasks task ON task.task_id = :task_id
    """
)
_PRICE = text(
    """
    INSERT INTO tasks (task_id, fee_cents, reward_cents, priced_at)
    VALUES (:task_id, :fee_cents, :reward_cents, :priced_at)
    """
)
_NOTE_WORDS = text(
    """
    UPDATE tasks SET title = :title, jira_id = :jira_id, description = :description, words_sequence = :sequence
    WHERE task_id = :task_id AND words_sequence < :sequence
    """
)


def price_task(session: Session, books: Books, task_id: UUID, *, random: Random = _random) -> Prices:
    """Return the task's prices; draw them if this is the first that is heard of it, by whatever event."""
    found = execute(session, _FIND, {"task_id": task_id}).one()
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
    execute(session, _PRICE, {"task_id": task_id, "priced_at": books.now, **asdict(prices)})
    publish(session, events.task_priced(task_id, priced_at=books.now, **asdict(prices)))
    return prices


def note_words(
    session: Session, task_id: UUID, *, title: str, jira_id: str | None, description: str, sequence: int
) -> None:
    """Note what a priced task is called; words older than those noted already change nothing."""
    words = {"title": title, "jira_id": jira_id, "description": description, "sequence": sequence}
    execute(session, _NOTE_WORDS, {"task_id": task_id, **words})


def set_pricing_rules(session: Session, rules: PricingRules, *, by: UUID, now: datetime) -> None:
    """Draw the prices of tasks yet to come by these rules. Raises InvalidPricingRules."""
    check(rules)
    session.execute(update(Pricing).values(changed_at=now, changed_by=by, **asdict(rules)))
