"""The broker in memory does what RabbitMQ does."""

import pytest

from messaging.stub import StubBroker
from tests.broker_suite import BrokerSuite


class TestStubBroker(BrokerSuite):
    @pytest.fixture
    def user(self) -> str:
        return "tracker"

    @pytest.fixture
    def broker(self, user: str) -> StubBroker:
        return StubBroker(user=user)

    @pytest.fixture
    def another(self, broker: StubBroker) -> StubBroker:
        return broker.as_user("billing")
