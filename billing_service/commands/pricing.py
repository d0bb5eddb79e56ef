"""What tasks cost and earn, and what they are called."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from random import Random, SystemRandom
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books
from billing_service.commands.direct import execute
from billing_service.domain.pricing import Prices, PricingRules, check, draw_prices
from billing_service.models import Pricing
from chassis.business_clock import BUSINESS_NOW
from messaging import Event, caused_by, publish

#: Not a generator of our own: two processes that were forked after the import would draw the same prices.
_random = SystemRandom()

_FIND = text(
    """
    SELECT task_id, fee_cents, reward_cents FROM tasks WHERE task_id = ANY (CAST(:task_ids AS uuid[]))
    """
)
_PRICE = text(
    """
    INSERT INTO tasks (task_id, fee_cents, reward_cents, priced_at)
    SELECT task_id, fee_cents, reward_cents, :priced_at
    FROM unnest(CAST(:task_ids AS uuid[]), CAST(:fees AS int[]), CAST(:rewards AS int[]))
        AS price (task_id, fee_cents, reward_cents)
    """
)
_NOTE_WORDS = text(
    """
    UPDATE tasks SET title = new.title, jira_id = new.jira_id, description = new.description,
                     words_sequence = new.sequence
    FROM unnest(CAST(:task_ids AS uuid[]), CAST(:titles AS text[]), CAST(:jira_ids AS text[]),
                CAST(:descriptions AS text[]), CAST(:sequences AS int[]))
        AS new (task_id, title, jira_id, description, sequence)
    WHERE tasks.task_id = new.task_id AND words_sequence < new.sequence
    """
)


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a task is called since the event of this sequence."""

    task_id: UUID
    title: str
    jira_id: str | None
    description: str
    sequence: int


def price_tasks(
    session: Session, books: Books, heard_of: Mapping[UUID, Event], *, random: Random = _random
) -> dict[UUID, Prices]:
    """Return the prices of these tasks; draw those of tasks of which nobody has heard before.

    `heard_of`: the event that told of each, whatever it was about.
    """
    found = execute(session, _FIND, {"task_ids": [str(task_id) for task_id in heard_of]})
    prices = {row.task_id: Prices(row.fee_cents, row.reward_cents) for row in found}
    new = [task_id for task_id in heard_of if task_id not in prices]
    if new:
        rules = _read_rules(session)
        drawn = {task_id: draw_prices(rules, random) for task_id in new}
        _note_prices(session, books, drawn)
        for task_id, price in drawn.items():
            with caused_by(heard_of[task_id]):
                publish(session, events.task_priced(task_id, priced_at=books.now, **asdict(price)))
        prices |= drawn
    return prices


def _read_rules(session: Session) -> PricingRules:
    names = PricingRules.__dataclass_fields__
    row = session.execute(select(*(getattr(Pricing, name) for name in names))).one()
    return PricingRules(**row._mapping)


def _note_prices(session: Session, books: Books, drawn: Mapping[UUID, Prices]) -> None:
    """No conflict is possible: who prices has the books open, and so nobody else does."""
    columns = {
        "task_ids": [str(task_id) for task_id in drawn],
        "fees": [price.fee_cents for price in drawn.values()],
        "rewards": [price.reward_cents for price in drawn.values()],
    }
    execute(session, _PRICE, {"priced_at": books.now, **columns})


def note_words(session: Session, words: Collection[Words]) -> None:
    """Note what priced tasks are called, of each task once; words older than those noted already change nothing."""
    columns = {
        "task_ids": [str(one.task_id) for one in words],
        "titles": [one.title for one in words],
        "jira_ids": [one.jira_id for one in words],
        "descriptions": [one.description for one in words],
        "sequences": [one.sequence for one in words],
    }
    execute(session, _NOTE_WORDS, columns)


def set_pricing_rules(session: Session, rules: PricingRules, *, by: UUID) -> None:
    """Draw the prices of tasks yet to come by these rules. Raises InvalidPricingRules."""
    check(rules)
    session.execute(update(Pricing).values(changed_at=BUSINESS_NOW, changed_by=by, **asdict(rules)))
