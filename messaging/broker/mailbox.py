"""What the thread of a link hands to the thread that works with it."""

import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A queue from one thread to one other, emptied many items at a time.

    Not `queue.SimpleQueue`: in CPython 3.11 and 3.12 its `get` with a timeout waits for ever once a signal handler
    has outlasted the timeout, so that a process that is told to end might never look whether to stop.
    """

    def __init__(self) -> None:
        """Begin with nothing in it."""
        self._items: deque[T] = deque()
        self._news = threading.Event()

    def put(self, item: T) -> None:
        """Add an item."""
        self._items.append(item)
        if not self._news.is_set():
            self._news.set()

    def take(self, limit: int, timeout: float) -> list[T]:
        """Return the oldest items, at most `limit`; if there are none, wait up to `timeout` seconds for some."""
        self._news.clear()  # before the look: what comes after it is news
        if not self._items and timeout > 0:
            self._news.wait(timeout)
        return [self._items.popleft() for _ in range(min(limit, len(self._items)))]
