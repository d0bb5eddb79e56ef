"""The balance of an account at the end of each day, kept right whatever order the movements arrive in.

Only days on which the account moved are kept; in between the balance stays. It is the sum of the movements up to and
including the day, not the balance that was announced last: when a missed day is closed late, its payout is posted
after movements of the days behind it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from uuid import UUID


@dataclass(frozen=True)
class Moved:
    """What movements do to all accounts together."""

    #: The balance at the end of each day that they change, by account and day.
    balances: dict[tuple[UUID, date], int]
    #: On which days the number of accounts below zero changes against the day before, and by how much.
    crossings: Counter[date]


@dataclass(frozen=True)
class Posted:
    """What one movement does to its account."""

    #: The balance at the end of each day that it changes, the movement's own day always among them.
    balances: dict[date, int]
    #: On which days the number of accounts below zero changes against the day before, and by how much.
    crossings: dict[date, int]


def post_all(known: Iterable[tuple[UUID, date, int]], movements: Iterable[tuple[UUID, date, int]]) -> Moved:
    """Add movements, each of an account, a day and cents, in any order.

    `known` are for each of these accounts its days and balances from the last one up to its first movement's day on.
    """
    known_days: dict[UUID, dict[date, int]] = defaultdict(dict)
    for account_id, day, cents in known:
        known_days[account_id][day] = cents
    amounts: Counter[tuple[UUID, date]] = Counter()
    for account_id, day, cents in movements:
        amounts[account_id, day] += cents
    moved = Moved({}, Counter())
    for (account_id, day), cents in amounts.items():
        posted = post(known_days[account_id].items(), day, cents)
        known_days[account_id] |= posted.balances
        moved.balances.update({(account_id, changed): balance for changed, balance in posted.balances.items()})
        moved.crossings.update(posted.crossings)
    return moved


def post(known: Iterable[tuple[date, int]], day: date, amount_cents: int) -> Posted:
    """Add a movement of that day to an account.

    `known` are the account's days and balances from the last one up to `day` on, in any order; earlier ones do no harm.
    """
    before = dict(known)
    earlier = [known_day for known_day in before if known_day <= day]
    carried = before[max(earlier)] if earlier else 0
    affected = {day: carried} | {known_day: cents for known_day, cents in before.items() if known_day > day}
    after = {affected_day: cents + amount_cents for affected_day, cents in sorted(affected.items())}
    return Posted(after, _crossings(affected, after))


def _crossings(before: dict[date, int], after: dict[date, int]) -> dict[date, int]:
    """Each balance holds until the next one, so what changes there is taken back where the next one begins."""
    crossings: dict[date, int] = {}
    running = 0
    for day in after:
        change = (after[day] < 0) - (before[day] < 0)
        if change != running:
            crossings[day] = change - running
        running = change
    return crossings
