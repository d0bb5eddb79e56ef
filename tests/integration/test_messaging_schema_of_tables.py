"""The tables may stand in a schema of their own: the search path of the connections says in which."""

from collections.abc import Callable, Iterator

import psycopg2
import pytest

from deploy.databases import ServiceDatabase
from tests.conftest import SHOP, Vhost
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import FailsAtFirst
from tests.waiting import eventually


@pytest.fixture
def elsewhere(database: Callable[..., ServiceDatabase], vhost: Vhost) -> Iterator[House]:
    """A house whose tables are in the schema `reliable`."""
    url = database("tracker").owner_url
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA reliable")
    connection.close()
    searched = f"{url}?options=-csearch_path%3Dreliable".replace("postgresql://", "postgresql+psycopg2://", 1)
    made = House(searched, vhost.url(SHOP))
    yield made
    made.close()


def test_events_go_their_way_there_and_are_tried_again(elsewhere: House) -> None:
    elsewhere.handler = FailsAtFirst()
    elsewhere.relay()
    elsewhere.consumer()
    for _ in range(3):
        elsewhere.sell("apples")
    elsewhere.wait_for_effects(3)
    assert elsewhere.sequences("apples") == [1, 2, 3]
    eventually(lambda: elsewhere.unfinished() == {})
    with elsewhere.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT schemaname FROM pg_tables WHERE tablename = 'held_message'")
        assert found.scalars().all() == ["reliable"]
