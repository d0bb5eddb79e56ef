"""A producer with two relays and two services with two consumers each, all in memory and one step at a time."""

from collections import Counter, defaultdict
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from datetime import UTC, datetime
from random import Random
from threading import Event as Flag
from typing import Any
from unittest.mock import patch

import time_machine

from messaging import Consumer, Event, Relay, RetryLater, RetryPolicy, SchemaRegistry
from messaging.handling import _FATAL_STARTS
from messaging.topology import consumer_topology, events_queue, shared_topology
from tests.unit.messaging_memory import (
    MemoryDatabase,
    MemoryHeld,
    MemoryInbox,
    MemoryOutbox,
    MemoryOutboxReader,
    MemorySession,
)
from tests.unit.messaging_stepping import Connection, Program, pause
from tests.unit.messaging_unreliable import Answer, UnreliableBroker, UnreliableReceiver

SOLD = "shop.sold"
EXCHANGE = "shop.events"
SERVICES = ("billing", "analytics")
#: Events fetched at once by each relay.
WINDOWS = (2, 5_000)
#: As much as some five events have.
_WINDOW_BYTES = 2_000
_FIRST_FETCH = 3
#: Events of one aggregate that a relay has in its hands.
_LINE = 3
#: Events of one aggregate that a relay hands over together.
_CHAIN = 2
#: Refused events of one type that a relay keeps.
_KEPT = 1
#: Of one service.
CONSUMERS = 2
_DELAYS_MS = (200, 5_000, 120_000)
_BATCH = 4
#: Rounds in which everything is let go on, until all has to be done.
_ROUNDS = 600
_MOVES = 20
#: How often the acks of all consumers reach the broker.
_ACKS_TAKEN = 0.2
_TROUBLES: tuple[Answer, ...] = ("refused", "returned")


class World:
    """Everything there is, and the clock."""

    def __init__(self) -> None:
        self._patches = ExitStack()
        self._clock = time_machine.travel(datetime(2030, 1, 1, tzinfo=UTC), tick=False)
        self._now = self._clock.start()
        self._patches.callback(self._clock.stop)
        self._registry = SchemaRegistry({SOLD: {1: {"type": "object"}}})
        self.outbox = MemoryOutbox()
        self.databases = {service: MemoryDatabase() for service in SERVICES}
        self.broker = UnreliableBroker(user="shop")
        self.broker.declare(shared_topology(EXCHANGE))
        for service in SERVICES:
            self.broker.declare(consumer_topology(service, [SOLD], exchange=EXCHANGE))
        #: By writer: the rows of its open transaction.
        self.open: dict[int, list[int]] = {}
        #: By subject: the writer that has locked it.
        self.locks: dict[str, int] = {}
        self.versions: Counter[str] = Counter()
        #: By service: how many of the next attempts fail.
        self.failing: Counter[str] = Counter()
        self._replace("messaging.relay.OutboxReader", lambda url: MemoryOutboxReader(self.outbox))
        self._replace("messaging.relay._WINDOW_BYTES", _WINDOW_BYTES)
        self._replace("messaging.relay._FIRST_FETCH", _FIRST_FETCH)
        self._replace("messaging.lines._LINE", _LINE)
        self._replace("messaging.lines._CHAIN", _CHAIN)
        self._replace("messaging.refusals._PAUSES", (0.0,))
        self._replace("messaging.refusals._KEPT", _KEPT)
        self._replace("messaging.handling.inbox", MemoryInbox)
        self._replace("messaging.handling.held", MemoryHeld)
        self._replace("messaging.handling._LOOK_EVERY", 0)
        self._replace("messaging.handling.advance_gradual_replay", lambda session: None)
        always = Flag()
        always.set()
        self._replace("messaging.consumer.Consumer._mirror", lambda consumer, stop: nullcontext(always))
        self._replace("messaging.handling.guard_transactions", lambda sessions: None)
        self._replace("messaging.dispatch.unbroken", nullcontext)
        self.relays = [self._new_relay(window) for window in WINDOWS]
        self.consumers = {service: [self._new_consumer(service) for _ in range(CONSUMERS)] for service in SERVICES}

    def _replace(self, name: str, replacement: Any) -> None:
        self._patches.enter_context(patch(name, replacement))

    def close(self) -> None:
        """End everything, and give the clock back."""
        with self._patches:
            for program in self.programs():
                program.kill()

    def programs(self) -> list[Program]:
        return [*self.relays, *(consumer for consumers in self.consumers.values() for consumer in consumers)]

    def _new_relay(self, window: int) -> Program:
        return Program(Relay("", self.broker, exchange=EXCHANGE, window=window).run)

    def _new_consumer(self, service: str) -> Program:
        def handle(session: MemorySession, event: Event) -> None:
            pause()
            if self.failing[service] > 0:
                self.failing[service] -= 1
                raise RetryLater("not yet")
            session.change(lambda tables: tables.effects.append((event.subject, event.sequence)))

        sessions: Any = self.databases[service]
        handlers: Any = {SOLD: handle}
        retry = RetryPolicy(attempts=10_000, delays_ms=_DELAYS_MS, random=Random(1))
        consumer = Consumer(
            service, self.broker, sessions, handlers, self._registry, exchange=EXCHANGE, retry=retry, batch=_BATCH
        )
        return Program(consumer.run)

    # What people and machines do.

    def write(self, writer: int, subject: str) -> None:
        """Lock the subject and write an event into the writer's open transaction; whoever finds it locked waits."""
        if self.locks.setdefault(subject, writer) == writer:
            rows = self.open.setdefault(writer, [])
            self.versions[subject] += 1
            event = Event.new(f"{SOLD}.v1", subject=subject, sequence=self.versions[subject], data={})
            rows.append(self.outbox.write(event))

    def commit(self, writer: int) -> None:
        self.outbox.committed |= set(self.open.pop(writer, []))
        self._unlock(writer)

    def roll_back(self, writer: int) -> None:
        for row_id in self.open.pop(writer, []):
            self.versions[self.outbox.rows.pop(row_id).subject] -= 1
        self._unlock(writer)

    def _unlock(self, writer: int) -> None:
        self.locks = {subject: holder for subject, holder in self.locks.items() if holder != writer}

    def restart_relay(self, number: int) -> None:
        self.relays[number].kill()
        self.relays[number] = self._new_relay(WINDOWS[number])

    def restart_consumer(self, service: str, number: int) -> None:
        self.consumers[service][number].kill()
        self.consumers[service][number] = self._new_consumer(service)

    def may_interrupt(self, service: str) -> bool:
        """Tell whether nobody handles an event for the last time before it is blamed for the deaths of its handlers."""
        rows = self.databases[service].tables.held.values()
        return max((row.starts for row in rows), default=0) < _FATAL_STARTS

    def pass_time(self, seconds: float) -> None:
        self._now.shift(seconds)

    def lose_the_broker(self, seconds: float) -> None:
        """Let the broker be away for that time."""
        connections: list[Connection] = [*self.broker.publishers, *self.broker.all_receivers()]
        for connection in connections:
            connection.lose()
        self._now.shift(seconds)

    def go_on(self, moves: int, random: Random, *, trouble: float) -> None:
        """Let programs and broker make so many moves in any order; of what is sent, this share is not taken."""
        for _ in range(moves):
            random.choice(self.programs()).step()
            for publisher in random.sample(self.broker.publishers, min(2, len(self.broker.publishers))):
                answer = random.choice(_TROUBLES) if random.random() < trouble else "confirmed"
                publisher.broker_takes(random.randint(0, 3), answer, random)
                publisher.broker_answers(random.randint(0, 3), random)
            if random.random() < _ACKS_TAKEN:
                for receiver in self.broker.all_receivers():
                    receiver.broker_takes_acks()

    def until(self, reached: Callable[[], bool], program: Program) -> None:
        """Let one program alone go on, and all that it sends arrive, until something is reached."""
        random = Random(1)
        for _ in range(_ROUNDS):
            if reached():
                return
            program.step()
            for publisher in self.broker.publishers:
                publisher.broker_takes(_BATCH, "confirmed", random)
                publisher.broker_answers(_BATCH, random)
        raise AssertionError("this is never reached")

    def active(self, service: str) -> UnreliableReceiver:
        """Return the receiver to which the broker delivers the service's events."""
        return self.broker.receivers[events_queue(service)][0]

    # What has to be true.

    def effects_are_in_order(self) -> None:
        for service, database in self.databases.items():
            seen: dict[str, list[int]] = defaultdict(list)
            for subject, sequence in database.tables.effects:
                seen[subject].append(sequence)
            for subject, sequences in seen.items():
                assert sequences == list(range(1, len(sequences) + 1)), f"{service} saw {subject} {sequences}"

    def finish(self) -> None:
        """Let everything go on without disturbance, until nothing is left to be done."""
        for writer in list(self.open):
            self.commit(writer)
        for database in self.databases.values():
            database.fault = None
        random = Random(1)
        for _ in range(_ROUNDS):
            if self._unfinished() == {}:
                return
            self.go_on(_MOVES, random, trouble=0)
            self.pass_time(10)
        raise AssertionError(f"this is never finished: {self._unfinished()}")

    def _unfinished(self) -> dict[str, int]:
        found = {"pending": len(self.outbox.pending())}
        messages = self.broker.messages()
        for service, database in self.databases.items():
            found |= {events_queue(service): messages.pop(events_queue(service), 0)}
            found |= {f"{service} held": len(database.tables.held)}
        return {place: count for place, count in (found | messages).items() if count}

    def everything_has_one_effect(self) -> None:
        committed = [self.outbox.rows[row_id] for row_id in self.outbox.committed]
        for service, database in self.databases.items():
            expected = Counter((row.subject, row.sequence) for row in committed)
            assert Counter(database.tables.effects) == expected, service
