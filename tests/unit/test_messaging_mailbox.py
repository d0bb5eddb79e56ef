"""What one thread hands to another: in order, none lost, and whoever waits is never forgotten."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from messaging.broker.mailbox import Mailbox


@pytest.fixture
def slow_handler() -> Iterator[signal.Signals]:
    """A signal whose handler takes longer than anybody here is ready to wait."""
    before = signal.signal(signal.SIGUSR1, lambda *_: time.sleep(0.3))
    yield signal.SIGUSR1
    signal.signal(signal.SIGUSR1, before)


def test_items_come_out_in_order_and_no_more_than_are_asked_for() -> None:
    mailbox: Mailbox[int] = Mailbox()
    for number in range(5):
        mailbox.put(number)
    assert mailbox.take(3, 0) == [0, 1, 2]
    assert mailbox.take(3, 0) == [3, 4]
    assert mailbox.take(3, 0) == []


def test_who_waits_gets_what_another_thread_puts_in_and_nothing_is_lost_on_the_way() -> None:
    mailbox: Mailbox[int] = Mailbox()

    def put() -> None:
        for number in range(20_000):
            mailbox.put(number)

    threading.Thread(target=put).start()
    found: list[int] = []
    while len(found) < 20_000:
        found += mailbox.take(100, timeout=60)
    assert found == list(range(20_000))


@pytest.mark.timeout(20)
def test_a_signal_handler_that_outlasts_the_timeout_does_not_make_it_wait_for_ever(
    slow_handler: signal.Signals,
) -> None:
    mailbox: Mailbox[int] = Mailbox()
    threading.Timer(0.1, os.kill, (os.getpid(), slow_handler)).start()
    assert mailbox.take(1, timeout=0.2) == []
