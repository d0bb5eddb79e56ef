"""What was published and has not arrived: events that RabbitMQ lost with a queue or a binding that somebody deleted.

For each service, what the outboxes of the others have published of the events that it listens to is compared with what
it has handled, what waits and what is dead. Only as far back as the service keeps events: `ATES_RETENTION_DAYS`.
"""

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import requests
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from chassis.settings import Settings, load_settings
from deploy.cli.running import open_database, service_environment
from deploy.errors import DeployError
from deploy.run_file import Run
from deploy.settings import VHOST
from deploy.subscriptions import subscriptions
from messaging.arrival import Published, not_arrived, published_events
from messaging.replay import ongoing
from messaging.topology import dead_queue, replay_queue

_PAGE = 10_000
#: After this time RabbitMQ's console, which counts every five seconds, has counted a message wherever it is.
_COUNTED_AFTER = timedelta(seconds=10)
#: Seconds between two looks for what is missing.
_PAUSE = 0.5


@dataclass(frozen=True)
class Subscription:
    """What one service hears of another."""

    service: str
    settings: Settings
    producer: str
    #: Of events, without versions.
    names: Sequence[str]
    #: Only what was made since then and published until then is compared.
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Missing:
    """Events that have not arrived."""

    subscription: Subscription
    events: int
    #: When the first of them was made.
    since: datetime
    #: A row of the outbox: none is missing up to there.
    after: int

    @property
    def replay(self) -> str:
        """The command that mends it."""
        to, clock = self.subscription, self.subscription.settings.business_timezone
        since = self.since.astimezone(clock).replace(tzinfo=None, microsecond=0)
        return f"./ates replay --to {to.service} --from {to.producer} --since {since.isoformat()}"


@dataclass(frozen=True)
class Arrivals:
    """What has not arrived though it was published."""

    #: RabbitMQ does not have it any more.
    lost: Sequence[Missing]
    #: It may be in a queue, or is about to be replayed.
    on_the_way: Sequence[Missing]


def check_arrivals(run: Run, *, wait: float) -> Arrivals:
    """Look for events that were published and have not arrived; they have `wait` seconds to do so.

    Raises DeployError if a database cannot be asked, or RabbitMQ when it has to be.
    """
    deadline = time.monotonic() + wait
    missing = [found for each in _subscriptions(run, wait) if (found := _compare(run, each))]
    busy: Collection[str] = ()
    over = False
    while missing and not over:
        over = time.monotonic() >= deadline
        if over:  # before the last look: what has left its queue by now, that look finds
            busy = _busy(run, {each.subscription.service for each in missing})
        else:
            time.sleep(_PAUSE)
        missing = [found for each in missing if (found := _compare(run, each.subscription, each.after))]
    return Arrivals(
        lost=[each for each in missing if each.subscription.service not in busy],
        on_the_way=[each for each in missing if each.subscription.service in busy],
    )


def _subscriptions(run: Run, wait: float) -> Iterator[Subscription]:
    for service, heard in subscriptions().items():
        if service not in run.databases:
            continue
        settings = load_settings(service, service_environment(run, service))
        for producer, names in groupby(sorted(heard), key=lambda name: name.partition(".")[0]):
            with open_database(run, producer) as session:
                now = session.scalars(select(func.now())).one()
            until = now - max(timedelta(), _COUNTED_AFTER - timedelta(seconds=wait))
            yield Subscription(service, settings, producer, list(names), now - settings.retention, until)


def _compare(run: Run, subscription: Subscription, after: int = 0) -> Missing | None:
    """Return what is missing behind this row of the producer's outbox; None if all has arrived."""
    events, since, before = 0, subscription.until, after
    with open_database(run, subscription.producer) as outbox, open_database(run, subscription.service) as own:
        for page in _pages(outbox, subscription, after):
            lacking = not_arrived(own, [event.event_id for event in page])
            missing = [event for event in page if event.event_id in lacking]
            if missing:
                before = before if events else missing[0].id - 1
                since = min(since, *(event.created_at for event in missing))
                events += len(missing)
    return Missing(subscription, events, since, before) if events else None


def _pages(outbox: Session, wanted: Subscription, after: int) -> Iterator[Sequence[Published]]:
    while page := published_events(
        outbox, wanted.names, after=after, since=wanted.since, until=wanted.until, limit=_PAGE
    ):
        yield page
        after = page[-1].id


def _busy(run: Run, services: Collection[str]) -> set[str]:
    """Return those that have a replay under way, or events in their queues."""
    rabbitmq = run.rabbitmq
    if not rabbitmq:
        raise DeployError(
            "Events are missing, and whether RabbitMQ has them is not known: ATES_RABBITMQ_URL is not set"
        )
    try:
        answer = requests.get(
            f"{rabbitmq['management']}/api/queues/{VHOST}",
            auth=(rabbitmq["user"], rabbitmq["password"]),
            params={"columns": "name,messages"},
            timeout=30,
        )
        answer.raise_for_status()
    except requests.RequestException as error:
        raise DeployError(f"Events are missing, and RabbitMQ cannot be asked whether it has them: {error}") from error
    filled = {queue["name"] for queue in answer.json() if queue.get("messages")}
    return {
        service
        for service in services
        if any(name.startswith(f"{service}.") for name in filled - {dead_queue(service), replay_queue(service)})
        or _is_replayed_to(run, service)
    }


def _is_replayed_to(run: Run, service: str) -> bool:
    with open_database(run, service) as session:
        return ongoing(session) is not None
