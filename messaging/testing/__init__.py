"""For tests: a broker in memory, fixtures of pytest, and what a broker must do.

    stub          `StubBroker`, which passes the same tests as RabbitMQ does
    fixtures      name it in `pytest_plugins`: `stub_broker` and `running`
    broker_suite  `BrokerSuite`: an adapter for another broker inherits these tests and passes them

It needs pytest, and nothing that serves people imports it.
"""

import pytest

from messaging.testing.stub import StubBroker, StubPublisher, StubReceiver

pytest.register_assert_rewrite("messaging.testing.broker_suite")

__all__ = ["StubBroker", "StubPublisher", "StubReceiver"]
