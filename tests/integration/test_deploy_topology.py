"""What somebody deletes in RabbitMQ's console is made again, and nothing that is published meanwhile gets lost."""

from collections.abc import Iterator
from typing import Any

import pytest

from chassis.settings import EXCHANGE
from deploy import definitions
from deploy.settings import SERVICES
from deploy.topology import TopologyKeeper
from messaging import RabbitBroker
from messaging.topology import events_queue, unrouted_name
from messaging.transport import Message, Outcome, Publisher
from tests.conftest import Vhost
from tests.waiting import eventually

UNROUTED = unrouted_name(EXCHANGE)
CREATED = "tracker.task_created.v2"


class Keeper(TopologyKeeper):
    """One that lets a test see what happens between two of its steps."""

    between: Any = staticmethod(lambda: None)

    def _import(self, parts: Any) -> None:
        super()._import(parts)
        self.between()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def keeper(vhost: Vhost, said: list[str]) -> Keeper:
    server = vhost.server
    wanted = definitions.vhost(vhost.name, SERVICES)
    return Keeper(server.management_url, server.credentials, vhost.name, wanted, say=said.append)


@pytest.fixture
def publisher(vhost: Vhost) -> Iterator[Publisher]:
    made = RabbitBroker(vhost.url("tracker"), name="tracker").publisher()
    yield made
    made.close()


def names(vhost: Vhost, kind: str) -> set[tuple[str, ...]]:
    keys = ("source", "destination", "routing_key") if kind == "bindings" else ("name",)
    return {tuple(each[key] for key in keys) for each in vhost.manage("GET", "definitions/{vhost}").json()[kind]}


def publish(publisher: Publisher) -> Outcome:
    publisher.send([Message(1, EXCHANGE, CREATED, b"{}", "application/json")])
    (outcome,) = eventually(lambda: publisher.outcomes(0.1))
    return outcome


def test_where_nothing_is_missing_nothing_is_done(keeper: Keeper, said: list[str]) -> None:
    keeper.look()
    assert said == []


@pytest.mark.parametrize(
    "deleted",
    [
        ["exchanges/{vhost}/ates.events"],
        ["queues/{vhost}/ates.unrouted", "exchanges/{vhost}/ates.unrouted"],
        ["queues/{vhost}/billing.events", "exchanges/{vhost}/billing.dead", "queues/{vhost}/billing.replay"],
        ["exchanges/{vhost}/ates.events", "exchanges/{vhost}/ates.unrouted", "exchanges/{vhost}/ates.replay"],
    ],
)
def test_what_is_deleted_is_made_again_with_all_its_bindings(
    keeper: Keeper, vhost: Vhost, said: list[str], deleted: list[str]
) -> None:
    before = {kind: names(vhost, kind) for kind in ("exchanges", "queues", "bindings")}
    for path in deleted:
        vhost.manage("DELETE", path)
    keeper.look()
    assert {kind: names(vhost, kind) for kind in before} == before
    (told,) = said
    assert all(path.rpartition("/")[2] in told for path in deleted)


def test_an_event_published_while_the_bindings_are_made_again_is_refused_and_not_lost(
    keeper: Keeper, vhost: Vhost, publisher: Publisher
) -> None:
    vhost.manage("DELETE", "exchanges/{vhost}/ates.events")
    outcomes: list[Outcome] = []
    imported: list[Any] = []

    def between() -> None:
        imported.append(names(vhost, "bindings"))
        if len(imported) == 1:  # the queues are bound, and one of them is taken away again
            for queue in ("billing.events", "analytics.events"):
                vhost.manage("DELETE", f"bindings/{{vhost}}/e/{EXCHANGE}/q/{queue}/tracker.task_created.%2A")
            outcomes.append(publish(publisher))

    keeper.between = between
    keeper.look()
    assert (outcomes[0].confirmed, outcomes[0].reason) == (False, "returned: NO_ROUTE")
    assert (UNROUTED, UNROUTED, "") not in imported[0]
    keeper.look()
    assert publish(publisher).confirmed
    administrator = RabbitBroker(vhost.administrator_url, name="x")
    eventually(lambda: administrator.queue_state(events_queue("billing")).ready == 1)
