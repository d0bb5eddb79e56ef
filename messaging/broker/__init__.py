"""RabbitMQ: the only package that knows pika.

Publisher and receiver each have a thread with a `SelectConnection`, so that heartbeats and confirms go on while
a handler works or a database is slow.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pika
from pika.adapters.utils.connection_workflow import AMQPConnectorException
from pika.exceptions import AMQPError, ChannelClosedByBroker

from messaging.broker.publisher import RabbitPublisher
from messaging.broker.receiver import RabbitReceiver
from messaging.errors import BrokerUnavailable, TopologyConflict
from messaging.topology import Topology
from messaging.transport import Publisher, QueueState, Receiver

#: Seconds without a sign of life after which the other side counts as gone.
_HEARTBEAT = 30
#: Seconds after which a connection that the broker does not read from, because of an alarm, is opened anew.
_BLOCKED = 300
_PRECONDITION_FAILED = 406


class RabbitBroker:
    """The broker at an AMQP URL."""

    def __init__(self, url: str, *, name: str) -> None:
        """Take the URL; `name` is what the management console shows for the connections."""
        self._parameters = pika.URLParameters(url)
        self._parameters.heartbeat = _HEARTBEAT
        self._parameters.blocked_connection_timeout = _BLOCKED
        self._parameters.socket_timeout = 5
        self._parameters.stack_timeout = 10
        self._parameters.client_properties = {"connection_name": name}

    def declare(self, topology: Topology) -> None:
        """Declare exchanges, queues and bindings; what exists already is left as it is."""
        with self._short_channel() as channel:
            _declare(channel, topology)

    def queue_state(self, queue: str) -> QueueState:
        """See `Broker`."""
        with self._short_channel() as channel:
            found = channel.queue_declare(queue, passive=True).method
            return QueueState(found.message_count, found.consumer_count)

    @contextmanager
    def _short_channel(self) -> Iterator[Any]:
        """Yield a channel for a few answers. Raises BrokerUnavailable, or TopologyConflict."""
        try:
            with _blocking_connection(self._parameters) as connection:
                yield connection.channel()
        except ChannelClosedByBroker as error:
            if error.reply_code == _PRECONDITION_FAILED:
                raise TopologyConflict(error.reply_text) from error
            raise BrokerUnavailable(error.reply_text) from error
        except (AMQPError, AMQPConnectorException, OSError) as error:
            raise BrokerUnavailable(f"{self._parameters.host}:{self._parameters.port}: {error!r}") from error

    def publisher(self, on_news: Callable[[], None] = lambda: None) -> Publisher:
        """See `Broker`."""
        return RabbitPublisher(self._parameters, on_news)

    def receiver(self, queue: str, prefetch: int) -> Receiver:
        """Return a receiver of the queue."""
        return RabbitReceiver(self._parameters, queue, prefetch)


@contextmanager
def _blocking_connection(parameters: pika.URLParameters) -> Iterator[pika.BlockingConnection]:
    connection = pika.BlockingConnection(parameters)
    try:
        with connection:
            yield connection
    finally:
        # pika forgets to close it if the broker has said goodbye together with its welcome.
        connection._impl.ioloop.close()


def _declare(channel: Any, topology: Topology) -> None:
    for exchange in topology.exchanges:
        channel.exchange_declare(
            exchange.name, exchange_type=exchange.kind, durable=True, arguments=dict(exchange.arguments)
        )
    for queue in topology.queues:
        channel.queue_declare(queue.name, durable=True, arguments=dict(queue.arguments))
    for binding in topology.bindings:
        channel.queue_bind(binding.queue, binding.exchange, binding.routing_key)
