"""Replays in a house: something to send again, and what its consumers have made of it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from messaging.replay import ReplayReport, ongoing
from tests.integration.messaging_house import House

#: `n` of an event with which something is the matter.
ODD = 7


def stock(house: House, *, shelves: int = 5, each: int = 20) -> int:
    """Sell from some shelves in turn; return how many events that made."""
    with house.sessions.begin() as session:
        for n in range(shelves * each):
            house.sell_in(session, f"shelf-{n % shelves}", n)
    return shelves * each


def rebuild(house: House, of: House | None = None) -> ReplayReport:
    return house.make_replay(of=of, rebuild=True).run(threading.Event())


def content(house: House) -> list[tuple[str, int, int]]:
    """What a consumer has made of the events; which shelf came first does not matter."""
    return sorted((effect.subject, effect.sequence, effect.n) for effect in house.effects())


def shelves_in_order(house: House) -> bool:
    lines: dict[str, list[int]] = {}
    for effect in house.effects():
        lines.setdefault(effect.subject, []).append(effect.sequence)
    return all(line == list(range(1, len(line) + 1)) for line in lines.values())


@contextmanager
def in_the_background(house: House, **options: Any) -> Iterator[tuple[threading.Event, list[ReplayReport]]]:
    """A rebuild on a thread: yields what stops it, and a list in which the report is found at the end of the block."""
    stop, reports = threading.Event(), list[ReplayReport]()
    replay = house.make_replay(rebuild=True, **options)
    thread = threading.Thread(target=lambda: reports.append(replay.run(stop)))
    thread.start()
    try:
        yield stop, reports
    finally:
        thread.join()


def is_paused(house: House) -> bool:
    with house.sessions() as session:
        return ongoing(session) is not None
