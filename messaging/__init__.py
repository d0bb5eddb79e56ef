"""Reliable events: a transactional outbox, a relay, and consumers that apply every event exactly once.

A service publishes with `publish` inside its own transaction, runs a `Relay` and a `Consumer` as processes, and
lists what it handles in a `HandlerTable`. What cannot be handled ends with the dead letters: see
`messaging.dead_letters`.
"""

from typing import TYPE_CHECKING

from messaging.lazily import importer

if TYPE_CHECKING:
    from messaging import dead_letters, replay
    from messaging.aggregate import VersionedAggregate
    from messaging.broker import RabbitBroker
    from messaging.consumer import Consumer
    from messaging.context import MessageContext, caused_by, current_context, message_context
    from messaging.dispatch import Batch, Handler, HandlerTable, InOrder
    from messaging.envelope import Event
    from messaging.errors import (
        ForeignEvent,
        MessagingError,
        NotAnEvent,
        OutboxNotBound,
        PermanentError,
        RetryLater,
        SchemaInvalid,
        TooLarge,
        UnknownType,
    )
    from messaging.health import Health
    from messaging.held import count_waiting
    from messaging.observer import Observer, OutcomeName
    from messaging.outbox import (
        OutboxStatus,
        bind_outbox,
        delete_handled,
        delete_published,
        outbox_status,
        publish,
    )
    from messaging.outbox_reader import PendingEvent
    from messaging.relay import Relay
    from messaging.retry import RetryPolicy
    from messaging.schemas import SchemaRegistry
    from messaging.stopping import stop_at_signal
    from messaging.tables import create_tables
    from messaging.throughput import Backlog, consumer_backlog, handled_per_minute, published_per_minute
    from messaging.topology import consumer_topology, shared_topology


__all__ = [
    "Backlog",
    "Batch",
    "Consumer",
    "Event",
    "ForeignEvent",
    "Handler",
    "HandlerTable",
    "Health",
    "InOrder",
    "MessageContext",
    "MessagingError",
    "NotAnEvent",
    "Observer",
    "OutboxNotBound",
    "OutboxStatus",
    "OutcomeName",
    "PendingEvent",
    "PermanentError",
    "RabbitBroker",
    "Relay",
    "RetryLater",
    "RetryPolicy",
    "SchemaInvalid",
    "SchemaRegistry",
    "TooLarge",
    "UnknownType",
    "VersionedAggregate",
    "bind_outbox",
    "caused_by",
    "consumer_backlog",
    "consumer_topology",
    "count_waiting",
    "create_tables",
    "current_context",
    "dead_letters",
    "delete_handled",
    "delete_published",
    "handled_per_minute",
    "message_context",
    "outbox_status",
    "publish",
    "published_per_minute",
    "replay",
    "shared_topology",
    "stop_at_signal",
]

__getattr__ = importer(__name__, __file__)
