"""What the integration tests of messaging stand on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from deploy.databases import ServiceDatabase
from tests.conftest import SHOP, Vhost
from tests.integration.messaging_house import House
from tests.integration.messaging_letters import Moody
from tests.integration.messaging_processes import Processes


@pytest.fixture
def in_batches() -> bool:
    """Whether the handler of the house gets batches: a module that is about both kinds has this parametrized."""
    return False


@pytest.fixture
def house(database: Callable[..., ServiceDatabase], vhost: Vhost, in_batches: bool) -> Iterator[House]:
    """A house with nothing in it yet and nothing running."""
    made = House(_empty_database(database), vhost.url(SHOP), in_batches=in_batches)
    yield made
    made.close()


@pytest.fixture
def neighbour(house: House, database: Callable[..., ServiceDatabase]) -> Iterator[House]:
    """Another service that hears the events of the house, with a database of its own."""
    made = House(_empty_database(database), house.amqp_url, exchange=house.exchange)
    yield made
    made.close()


@pytest.fixture
def moody(house: House) -> Moody:
    """The handler of the house, which refuses everything for as long as it is told to."""
    house.handler = made = Moody()
    return made


def _empty_database(database: Callable[..., ServiceDatabase]) -> str:
    return database("tracker").owner_url.replace("postgresql://", "postgresql+psycopg2://", 1)


@pytest.fixture
def processes() -> Iterator[Processes]:
    """Starts relays and consumers as processes, and kills those that a test leaves running."""
    made = Processes()
    yield made
    made.kill_all()


@dataclass
class ConnectionCutter:
    """Takes the broker away from everybody in a vhost, and gives it back."""

    vhost: Vhost

    def cut(self) -> None:
        """Close the connections of all houses: by their user, for the list of all lags behind by five seconds."""
        self.vhost.manage("DELETE", f"connections/username/{SHOP}")

    def keep_out(self) -> None:
        """Let nobody connect any more, and close what is connected."""
        self.vhost.manage("PUT", "vhost-limits/{vhost}/max-connections", json={"value": 0})
        self.cut()

    def let_in(self) -> None:
        """Let everybody connect again."""
        self.vhost.manage("DELETE", "vhost-limits/{vhost}/max-connections")


@pytest.fixture
def cutter(vhost: Vhost) -> ConnectionCutter:
    return ConnectionCutter(vhost)
