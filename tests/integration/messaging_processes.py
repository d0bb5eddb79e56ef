"""Relays and consumers of a house as processes of their own, which a test kills or which kill themselves.

They are forked from a server that has everything imported, so that one is there in some hundredths of a second.
"""

import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from itertools import count
from multiprocessing.connection import Connection
from typing import Any, Literal

from sqlalchemy.orm import Session

from messaging import Consumer, Event, Relay
from messaging.replay import Replay
from tests.integration.messaging_house import House

#: How often an event may end the process before it is given up: from the queue, with others, and then twice alone.
DEATHS_EACH = 4

Handler = Callable[[Session, Event], None]
Role = Literal["relay", "consumer", "rebuild"]

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__, "_pytest.config"])


@dataclass(frozen=True)
class KillPoint:
    """A place in the program at which a process ends by SIGKILL, as if the power had failed."""

    #: In the words of the promise that is tried.
    name: str
    #: `module:Class.method`.
    method: str
    when: Literal["before", "after"] = "before"
    #: Passes count once this other method was called; without one, from the start of the process.
    following: str = ""
    #: On which pass it happens. To come back with an empty list is none.
    on_pass: int = 1

    def arm(self) -> None:
        """Make this process die there."""
        armed = threading.Event()
        if self.following:
            _wrap(self.following, before=lambda arguments: armed.set())
        else:
            armed.set()
        passes = count(1)

        def die(seen: Any) -> None:
            if armed.is_set() and seen != [] and next(passes) == self.on_pass:
                os.kill(os.getpid(), signal.SIGKILL)

        _wrap(self.method, **{self.when: die})


def _wrap(
    path: str, *, before: Callable[[Any], None] = lambda _: None, after: Callable[[Any], None] = lambda _: None
) -> None:
    """Call `before` with the method's arguments, and `after` with what it returned."""
    module, _, name = path.partition(":")
    class_name, _, method_name = name.partition(".")
    owner = getattr(importlib.import_module(module), class_name)
    method = getattr(owner, method_name)

    @wraps(method)
    def wrapped(*arguments: Any, **named: Any) -> Any:
        before(arguments)
        found = method(*arguments, **named)
        after(found)
        return found

    setattr(owner, method_name, wrapped)


@dataclass
class Processes:
    """Starts processes for houses; what still runs at the end of the test is killed."""

    _started: list[Any] = field(default_factory=list)

    def start(self, role: Role, house: House, *, handler: Handler | None = None, dies: KillPoint | None = None) -> Any:
        """Start a process that works in the house, with a handler that stands at the head of some module.

        It is returned when it would hear that it is to stop.
        """
        place = (house.database_url, house.amqp_url, house.name, house.exchange)
        listening, listens = _processes.Pipe(duplex=False)
        process = _processes.Process(target=_work, args=(role, place, handler, dies, listens), daemon=True)
        process.start()
        self._started.append(process)
        listens.close()
        assert listening.poll(20), "it did not start"
        listening.close()
        return process

    @contextmanager
    def supervised(self, role: Role, house: House, *, handler: Handler | None = None) -> Iterator["Supervised"]:
        """Start such a process again whenever it ends, and stop it at last."""
        kept = Supervised(partial(self.start, role, house, handler=handler))
        try:
            yield kept
        finally:
            kept.let_go()
        stop(kept.process)

    def kill_all(self) -> None:
        """Kill what still runs."""
        for process in self._started:
            process.kill()
            process.join()
            process.close()


class Supervised:
    """A process that is started again whenever it ends."""

    def __init__(self, start: Callable[[], Any]) -> None:
        """Start it."""
        self._start = start
        self._done = threading.Event()
        #: Set while nobody has killed the one that is there.
        self._unharmed = threading.Event()
        self._unharmed.set()
        self.process = start()
        #: How often it ended.
        self.deaths = 0
        self._watcher = threading.Thread(target=self._watch)
        self._watcher.start()

    def kill(self) -> None:
        """Kill the process that is there at the moment; after another kill, the next one as soon as it is there."""
        assert self._unharmed.wait(20)
        self._unharmed.clear()
        self.process.kill()

    def let_go(self) -> None:
        """Start it no more."""
        self._done.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._done.is_set():
            self.process.join(0.05)
            if self.process.exitcode is not None:
                self.deaths += 1
                self.process = self._start()
                self._unharmed.set()


def stop(process: Any) -> None:
    """Ask the process to end, and wait until it has put everything down."""
    process.terminate()
    process.join(20)
    assert process.exitcode == 0, f"ended with {process.exitcode}"


def wait_for_death(process: Any, *, timeout: float = 20) -> None:
    """Wait until the process has killed itself."""
    process.join(timeout)
    assert process.exitcode == -signal.SIGKILL, f"ended with {process.exitcode}"


def lives_until(reached: Callable[[], object], start: Callable[[], Any], *, at_most: int) -> None:
    """Start a process that kills itself, and the next one, until something is reached."""
    lives = 0
    while not reached():
        assert lives < at_most, f"not reached by {at_most} lives"
        wait_for_death(start())
        lives += 1


def _work(
    role: Role, place: tuple[str, str, str, str], handler: Handler | None, dies: KillPoint | None, listens: Connection
) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    listens.close()
    database_url, amqp_url, name, exchange = place
    house = House(database_url, amqp_url, name=name, exchange=exchange)
    house.handler = handler or house.handler
    if dies is not None:
        dies.arm()
    makers: dict[Role, Callable[[], Relay | Consumer | Replay]] = {
        "relay": house.make_relay,
        "consumer": house.make_consumer,
        "rebuild": partial(house.make_replay, rebuild=True),
    }
    makers[role]().run(stop)
    house.close()
