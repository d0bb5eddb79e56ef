"""Whatever happens in whatever order: each service sees 1, 2, 3, ... of every aggregate, each event exactly once.

Relay and consumer are the real ones. They run one step at a time on a broker and databases in memory, while
Hypothesis commits, confirms, refuses, returns, cuts, kills and lets time pass as it likes.
"""

import logging
from random import Random
from typing import get_args

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.unit.messaging_memory import Fault
from tests.unit.messaging_world import CONSUMERS, SERVICES, WINDOWS, World

_WRITERS = (1, 2, 3)
_SUBJECTS = ("apples", "pears", "plums")
_writers = st.sampled_from(_WRITERS)
_subjects = st.sampled_from(_SUBJECTS)
_services = st.sampled_from(SERVICES)
_consumers = st.integers(0, CONSUMERS - 1)
#: Two threads hand over to each other at each step: to look for a smaller failure would take many minutes.
_NOT_SHRUNK = (Phase.explicit, Phase.reuse, Phase.generate)

_few = st.integers(1, 5)
_seconds = st.sampled_from((0.1, 1.0, 60.0, 3_600.0))
_many = st.integers(20, 100)
_seeds = st.integers(0, 2**16)


class Interleavings(RuleBasedStateMachine):
    """What may happen at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        logging.disable(logging.CRITICAL)

    def teardown(self) -> None:
        try:
            self.world.finish()
            self.world.effects_are_in_order()
            self.world.everything_has_one_effect()
        finally:
            self.world.close()
            logging.disable(logging.NOTSET)

    @initialize(seed=_seeds)
    def there_is_something_to_do(self, seed: int) -> None:
        random = Random(seed)
        for _ in range(5):
            for writer, subject in zip(_WRITERS, random.sample(_SUBJECTS, len(_SUBJECTS)), strict=True):
                self.world.write(writer, subject)
            for writer in random.sample(_WRITERS, len(_WRITERS)):
                self.world.commit(writer)
        self.world.failing.update({service: random.randint(0, 4) for service in SERVICES})
        self.world.go_on(random.randint(0, 200), random, trouble=0.1)

    @rule(writer=_writers, subject=_subjects, count=_few, commits=st.booleans())
    def somebody_writes_events(self, writer: int, subject: str, count: int, commits: bool) -> None:
        for _ in range(count):
            self.world.write(writer, subject)
        if commits:
            self.world.commit(writer)

    @rule(writer=_writers)
    def somebody_rolls_back(self, writer: int) -> None:
        self.world.roll_back(writer)

    @rule(moves=_many, seed=_seeds)
    def all_goes_well_for_a_while(self, moves: int, seed: int) -> None:
        self.world.go_on(moves, Random(seed), trouble=0)

    @rule(moves=_many, seed=_seeds)
    def the_broker_takes_not_everything_for_a_while(self, moves: int, seed: int) -> None:
        self.world.go_on(moves, Random(seed), trouble=0.4)

    @rule(number=st.integers(0, len(WINDOWS) - 1), moves=_many)
    def a_relay_is_quick(self, number: int, moves: int) -> None:
        for _ in range(moves):
            self.world.relays[number].step()

    @rule(service=_services, number=_consumers, moves=_many)
    def a_consumer_is_quick(self, service: str, number: int, moves: int) -> None:
        for _ in range(moves):
            self.world.consumers[service][number].step()

    @rule(which=st.integers(0, 11))
    def a_publisher_loses_its_connection(self, which: int) -> None:
        if publishers := self.world.broker.publishers:
            publishers[which % len(publishers)].lose()

    @rule(service=_services)
    def a_consumer_loses_its_connection(self, service: str) -> None:
        receivers = self.world.broker.receivers.get(f"{service}.events")
        if receivers and self.world.may_interrupt(service):
            receivers[0].lose()

    @rule()
    def the_active_relay_loses_its_database(self) -> None:
        if self.world.outbox.locked_by is not None:
            self.world.outbox.locked_by.lose()

    @rule(service=_services, fault=st.sampled_from(get_args(Fault)))
    def a_consumer_loses_its_database(self, service: str, fault: Fault) -> None:
        self.world.databases[service].fault = fault

    @rule(number=st.integers(0, len(WINDOWS) - 1))
    def a_relay_is_killed(self, number: int) -> None:
        self.world.restart_relay(number)

    @rule(service=_services, number=_consumers)
    def a_consumer_is_killed(self, service: str, number: int) -> None:
        if self.world.may_interrupt(service):
            self.world.restart_consumer(service, number)

    @rule(service=_services, count=st.integers(1, 3))
    def handlers_begin_to_fail(self, service: str, count: int) -> None:
        self.world.failing[service] += count

    @rule(seconds=_seconds)
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(seconds=_seconds)
    def the_broker_is_away(self, seconds: float) -> None:
        if all(map(self.world.may_interrupt, SERVICES)):
            self.world.lose_the_broker(seconds)

    @invariant()
    def effects_are_in_order(self) -> None:
        self.world.effects_are_in_order()


Interleavings.TestCase.settings = settings(max_examples=50, stateful_step_count=30, deadline=None, phases=_NOT_SHRUNK)
test_every_service_sees_each_event_once_and_each_aggregate_in_order = Interleavings.TestCase


def test_an_event_is_not_blamed_for_a_database_that_is_lost_whenever_it_is_about_to_be_handled() -> None:
    world = World()
    try:
        consumer, _ = world.consumers["billing"]
        database = world.databases["billing"]
        world.write(1, "apples")
        world.commit(1)
        world.until(lambda: bool(world.broker.messages().get("billing.events")), world.relays[0])
        world.failing["billing"] = 1
        world.until(lambda: bool(database.tables.held), consumer)
        world.pass_time(10)
        for _ in range(4):
            database.fault = "after the commit"
            world.until(lambda: database.fault is None, consumer)
        world.finish()
        world.everything_has_one_effect()
    finally:
        world.close()
