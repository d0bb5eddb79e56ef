"""The broker in memory does what RabbitMQ does."""

import pytest

from messaging.stub import StubBroker
from messaging.transport import Broker
from tests.broker_suite import BrokerSuite


class TestStubBroker(BrokerSuite):
    @pytest.fixture
    def broker(self) -> Broker:
        return StubBroker()
