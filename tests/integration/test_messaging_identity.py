"""Nobody speaks in another's name: what a service's own account of RabbitMQ cannot make the others believe."""

import importlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import UUID, uuid4

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker
from sqlalchemy.orm import Session

from chassis.db import Database
from chassis.settings import EXCHANGE
from deploy import definitions
from deploy.settings import CONSUMING_SERVICES, SERVICES
from messaging import Consumer, Event, HandlerTable, PermanentError, RabbitBroker, RetryLater
from messaging.dead_letters import (
    Actor,
    DeadLetterStory,
    Decision,
    State,
    decide,
    list_dead_letters,
    read_dead_letter,
    replay_edited,
)
from messaging.envelope import CONTENT_TYPE
from messaging.held import count_waiting
from messaging.held.states import HELD
from messaging.retry import RetryPolicy
from messaging.sender import DESK, SENT_BY
from messaging.topology import dead_exchange, replay_queue
from messaging.transport import Message
from tests.conftest import Vhost
from tests.integration.billing_house import completed, user
from tests.waiting import eventually

FORGED = "not-from-its-producer"
ADA = Actor("Ada", uuid4())
#: As long as that is the latest, nothing else that is told of the same user counts.
LAST_OF_ALL = 2**31 - 1


class Listener:
    """The consumer of a service, and its dead letters."""

    def __init__(self, service: str, vhost: Vhost, database: Database) -> None:
        self.service = service
        self.database = database
        self._broker = RabbitBroker(vhost.url(service), name=f"{service}.test")
        #: What was handled, in order.
        self.handled: list[UUID] = []

    @contextmanager
    def listening(self, handlers: HandlerTable | None = None) -> Iterator[None]:
        """Handle what comes in the block, with the handlers of the service or with others for the same events."""
        own: HandlerTable = importlib.import_module(f"{self.service}_service.handlers").HANDLERS
        sessions, registry = self.database.sessions, self.database.registry
        retry = RetryPolicy(attempts=4, jitter=0)
        table = {**own, **(handlers or {})}
        consumer = Consumer(
            self.service, self._broker, sessions, table, registry, exchange=EXCHANGE, retry=retry, compare_every=0.1
        )
        stop = threading.Event()
        thread = threading.Thread(target=consumer.run, args=(stop,))
        thread.start()
        try:
            eventually(consumer.active.is_set)
            yield
        finally:
            stop.set()
            thread.join()

    def person(self, user_id: UUID) -> tuple[str, str] | None:
        """Role and status of a user as the service knows them."""
        model = importlib.import_module(f"{self.service}_service.models").User
        with self.database.reading() as session:
            found = session.get(model, user_id)
            return (found.role, found.status) if found else None

    def letters(self) -> list[DeadLetterStory]:
        """All there ever were, in the order of their deaths."""
        with self.database.reading() as session:
            found = list_dead_letters(session, limit=100, states=set(State) - set(HELD))
            return [read_dead_letter(session, letter.id) for letter in found]

    def waiting(self) -> int:
        """How many events wait to be tried again."""
        with self.database.reading() as session:
            return count_waiting(session)

    def the_letter(self) -> DeadLetterStory:
        """The only one there is, when it is there."""
        (found,) = eventually(self.letters)
        return found

    def replay(self, letter: DeadLetterStory) -> None:
        with self.database.transaction() as session:
            decide(session, letter.letter.id, Decision.REPLAY, by=ADA)

    def edit(self, letter: DeadLetterStory, **changes: Any) -> Event:
        with self.database.transaction() as session:
            return replay_edited(session, letter.letter.id, changes, by=ADA, registry=self.database.registry)


class Failing:
    """A handler that fails in these ways, once each, and then only notes what it is given."""

    def __init__(self, listener: Listener, *failures: Exception) -> None:
        self._listener = listener
        self._failures = list(failures)

    def __call__(self, _session: Session, event: Event) -> None:
        if self._failures:
            raise self._failures.pop(0)
        self._listener.handled.append(event.id)


@pytest.fixture
def listener(vhost: Vhost, migrated: Callable[..., Any]) -> Iterator[Callable[[str], Listener]]:
    """listener("billing") -> with a database of its own, and queues in which nothing lies."""
    made: list[Listener] = []

    def make(service: str) -> Listener:
        for queue in ("events", "dead"):
            vhost.manage("DELETE", f"queues/{{vhost}}/{service}.{queue}/contents")
        made.append(Listener(service, vhost, Database(migrated(service, broker=True))))
        return made[-1]

    yield make
    for each in made:
        each.database.engine.dispose()


@pytest.fixture
def billing(listener: Callable[[str], Listener]) -> Listener:
    return listener("billing")


@pytest.fixture
def mended(vhost: Vhost) -> Iterator[None]:
    """Whatever a test does to exchanges and queues of the tracker, the next one finds them as they should be."""
    yield
    for kind in ("exchanges", "queues"):
        for found in vhost.manage("GET", f"{kind}/{{vhost}}").json():
            if found["name"].startswith("tracker."):
                vhost.manage("DELETE", f"{kind}/{{vhost}}/{found['name']}")
    vhost.manage("DELETE", f"exchanges/{{vhost}}/{EXCHANGE}")  # with what was bound to it
    vhost.manage("POST", "definitions", json=definitions.vhost(vhost.name, SERVICES))


def send(
    vhost: Vhost,
    sender: str,
    event: Event,
    *,
    exchange: str = EXCHANGE,
    routing_key: str | None = None,
    headers: Mapping[str, Any] | None = None,
    content_type: str = CONTENT_TYPE,
) -> None:
    """Publish the event over the account of this service, and wait until it lies in a queue."""
    publisher = RabbitBroker(vhost.url(sender), name="test").publisher()
    key = event.type if routing_key is None else routing_key
    body, sent = event.to_bytes(), headers or {}
    publisher.send([Message(1, exchange, key, body, content_type, message_id=str(event.id), headers=sent)])
    (outcome,) = eventually(lambda: publisher.outcomes(0.2))
    publisher.close()
    assert outcome.confirmed, outcome.reason


def made_admin(user_id: UUID, *, sequence: int = LAST_OF_ALL) -> Event:
    return user(user_id, sequence=sequence, role="admin", kind="user_role_changed")


def forge(vhost: Vhost, event: Event) -> None:
    """Have the tracker send an event of auth to billing."""
    send(vhost, "tracker", event, routing_key="tracker.task_created.v2")


def a_completion() -> Event:
    return completed(uuid4(), uuid4())


@contextmanager
def channel(vhost: Vhost, service: str) -> Iterator[Any]:
    """A plain client with the account of a service."""
    with pika.BlockingConnection(pika.URLParameters(vhost.url(service))) as connection:
        yield connection.channel()


# The ways round the rights on the exchange. Each takes what the account may do with the service's own exchanges and
# queues, and gives the exchange to which the message is then sent, and the routing key.


def through_a_binding(channel: Any, service: str, key: str) -> tuple[str, str]:
    channel.exchange_bind(EXCHANGE, dead_exchange(service), key)
    return dead_exchange(service), key


def through_an_alternate_exchange(channel: Any, service: str, key: str) -> tuple[str, str]:
    own = dead_exchange(service)
    channel.exchange_delete(own)
    channel.exchange_declare(own, "direct", durable=True, arguments={"alternate-exchange": EXCHANGE})
    return own, key


def through_a_dead_letter_exchange(channel: Any, service: str, key: str) -> tuple[str, str]:
    own = replay_queue(service)
    channel.queue_delete(own)
    arguments = {"x-message-ttl": 1, "x-dead-letter-exchange": EXCHANGE, "x-dead-letter-routing-key": key}
    channel.queue_declare(own, durable=True, arguments=arguments)
    channel.queue_bind(own, dead_exchange(service), "200")
    return dead_exchange(service), "200"


WAYS = [through_a_binding, through_an_alternate_exchange, through_a_dead_letter_exchange]


@pytest.mark.parametrize("service", CONSUMING_SERVICES)
def test_no_service_makes_anybody_an_admin_or_hides_a_later_block(
    vhost: Vhost, listener: Callable[[str], Listener], service: str
) -> None:
    victim, ears = uuid4(), listener(service)
    key = "billing.task_priced.v1" if service == "tracker" else "tracker.task_created.v2"
    with ears.listening():
        send(vhost, "auth", user(victim, sequence=1))
        send(vhost, key.partition(".")[0], made_admin(victim), routing_key=key, headers={SENT_BY: "auth"})
        send(vhost, "auth", user(victim, sequence=2, status="blocked"))
        eventually(lambda: ears.person(victim) == ("popug", "blocked"))
        letter = ears.the_letter()
    assert (letter.letter.reason, letter.properties["sent_by"]) == (FORGED, key.partition(".")[0])


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.usefixtures("mended")
def test_what_a_producer_sends_by_a_way_round_its_rights_is_known_for_its_own(
    vhost: Vhost, billing: Listener, way: Callable[[Any, str, str], tuple[str, str]]
) -> None:
    victim = uuid4()
    with channel(vhost, "tracker") as opened:
        exchange, key = way(opened, "tracker", made_admin(victim).type)
    with billing.listening():
        send(vhost, "auth", user(victim, sequence=1))
        send(vhost, "tracker", made_admin(victim), exchange=exchange, routing_key=key)
        letter = billing.the_letter()
        eventually(lambda: billing.person(victim) == ("popug", "active"))
    assert (letter.letter.reason, letter.properties["sent_by"]) == (FORGED, "tracker")


@pytest.mark.parametrize("way", WAYS)
def test_who_publishes_nothing_finds_no_way_to_the_events(
    vhost: Vhost, way: Callable[[Any, str, str], tuple[str, str]]
) -> None:
    with channel(vhost, "analytics") as opened, ExitStack() as mending:
        mending.callback(vhost.manage, "POST", "definitions", json=definitions.vhost(vhost.name, SERVICES))
        with pytest.raises(ChannelClosedByBroker, match=f"ACCESS_REFUSED .*{EXCHANGE}"):
            way(opened, "analytics", "auth.user_role_changed.v1")


def test_a_message_that_names_no_user_or_another_one_is_nobodys(vhost: Vhost, billing: Listener) -> None:
    event = user(uuid4())
    with channel(vhost, "auth") as opened:
        opened.basic_publish(EXCHANGE, event.type, event.to_bytes(), pika.BasicProperties(content_type=CONTENT_TYPE))
    with billing.listening():
        letter = billing.the_letter()
    assert (letter.letter.reason, letter.properties["sent_by"]) == (FORGED, "")
    assert "an unknown user" in letter.letter.detail
    with channel(vhost, "tracker") as opened:
        opened.confirm_delivery()
        with pytest.raises(ChannelClosedByBroker, match="user_id"):
            opened.basic_publish(EXCHANGE, "tracker.x.v1", b"", pika.BasicProperties(user_id="auth"))


def test_an_event_under_the_routing_key_of_another_is_refused(vhost: Vhost, billing: Listener) -> None:
    with billing.listening():
        send(vhost, "tracker", a_completion(), routing_key="tracker.task_created.v2")
        letter = billing.the_letter()
    assert (letter.letter.reason, letter.properties["sent_by"]) == (FORGED, "tracker")


def test_an_event_that_is_tried_again_is_still_its_producers(vhost: Vhost, billing: Listener) -> None:
    event = a_completion()
    with billing.listening({event.name: Failing(billing, RetryLater("not yet"), RetryLater("nor now"))}):
        send(vhost, "tracker", event)
        eventually(lambda: billing.handled == [event.id])
    assert billing.letters() == []


def test_an_event_that_died_is_still_its_producers_when_it_is_replayed(vhost: Vhost, billing: Listener) -> None:
    event = a_completion()
    with billing.listening({event.name: Failing(billing, PermanentError("never"))}):
        send(vhost, "tracker", event)
        letter = billing.the_letter()
        billing.replay(letter)
        eventually(lambda: billing.handled == [event.id])
    assert letter.properties["sent_by"] == "tracker"


def test_a_forgery_stays_one_when_it_is_replayed(vhost: Vhost, billing: Listener) -> None:
    event = user(uuid4())
    with billing.listening({event.name: Failing(billing)}):
        forge(vhost, event)
        billing.replay(billing.the_letter())
        again = eventually(lambda: (letter := billing.the_letter()).letter.deaths == 2 and letter)
    assert (again.letter.reason, again.properties["sent_by"]) == (FORGED, "tracker")
    assert billing.handled == []


def test_what_a_person_makes_of_a_forgery_is_handled_and_the_record_says_who(vhost: Vhost, billing: Listener) -> None:
    event = user(uuid4())
    with billing.listening({event.name: Failing(billing, RetryLater("not yet"), PermanentError("never"))}):
        forge(vhost, event)
        edited = billing.edit(billing.the_letter(), sequence=7)
        first, second = eventually(lambda: len(found := billing.letters()) == 2 and found)
        billing.replay(second)
        eventually(lambda: billing.handled == [edited.id])
    assert [(entry.action, entry.actor_name) for entry in first.history] == [
        ("died", None),
        ("edited", "Ada"),
    ]
    assert (second.letter.id, second.properties["sent_by"]) == (edited.id, DESK)


def test_a_copy_that_somebody_else_sends_costs_the_event_neither_its_effect_nor_its_letter(
    vhost: Vhost, billing: Listener
) -> None:
    event = user(uuid4())
    with billing.listening({event.name: Failing(billing, PermanentError("never"))}):
        forge(vhost, event)
        billing.the_letter()
        send(vhost, "auth", event)
        forged, genuine = eventually(lambda: len(found := billing.letters()) == 2 and found)
        billing.replay(genuine)
        eventually(lambda: billing.handled == [event.id])
    assert (forged.letter.reason, genuine.letter.reason) == (FORGED, PermanentError.reason)
    assert genuine.letter.id == event.id


def test_a_copy_among_the_events_that_nobody_listens_to_holds_back_no_event(
    vhost: Vhost, listener: Callable[[str], Listener]
) -> None:
    analytics, event = listener("analytics"), user(uuid4())
    with analytics.listening({event.name: Failing(analytics)}):
        send(vhost, "tracker", event, routing_key="tracker.nonsense.v1")
        forged = analytics.the_letter()
        send(vhost, "auth", event)
        eventually(lambda: analytics.handled == [event.id])
    assert forged.letter.id != event.id
    assert forged.letter.reason == FORGED


def test_a_copy_that_cannot_be_read_ends_no_wait(vhost: Vhost, billing: Listener) -> None:
    who = uuid4()
    first, second = user(who, sequence=1), user(who, sequence=2)
    handled: list[UUID] = []
    free = threading.Event()

    def wait_until_free(_session: Session, event: Event) -> None:
        if event.id == first.id and not free.is_set():
            raise RetryLater("not yet")
        handled.append(event.id)

    with billing.listening({first.name: wait_until_free}):
        send(vhost, "auth", first)
        eventually(billing.waiting)
        for content_type in ("text/plain", CONTENT_TYPE):
            send(vhost, "tracker", first, routing_key="tracker.task_created.v2", content_type=content_type)
        eventually(lambda: len(billing.letters()) == 2)
        assert billing.waiting()
        send(vhost, "auth", second)
        free.set()
        eventually(lambda: handled == [first.id, second.id])


def test_nobody_else_says_how_often_an_event_was_tried(vhost: Vhost, billing: Listener) -> None:
    event = user(uuid4())
    with billing.listening({event.name: Failing(billing, RetryLater("not yet"))}):
        send(vhost, "auth", event, headers={"attempts": 1_000})
        eventually(lambda: billing.handled == [event.id])
    assert billing.letters() == []
