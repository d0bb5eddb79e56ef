"""The broker in memory does what RabbitMQ does."""

import pytest

from messaging.testing import StubBroker
from messaging.testing.broker_suite import BrokerSuite

pytest_plugins = ["messaging.testing.fixtures"]


class TestStubBroker(BrokerSuite):
    @pytest.fixture
    def user(self) -> str:
        return "shop"

    @pytest.fixture
    def broker(self, stub_broker: StubBroker, user: str) -> StubBroker:
        return stub_broker.as_user(user)

    @pytest.fixture
    def another(self, stub_broker: StubBroker) -> StubBroker:
        return stub_broker.as_user("mill")
