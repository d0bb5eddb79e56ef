"""Reliable events: a transactional outbox, a relay, and consumers that apply every event exactly once.

A service publishes with `publish` inside its own transaction, runs a `Relay` and a `Consumer` as processes, and
lists what it handles in a `HandlerTable`. What cannot be handled ends with the dead letters: see
`messaging.dead_letters`, and `DeadLetterDesk`, which carries out what people decide about them.
"""

from messaging.broker import RabbitBroker
from messaging.condition import Condition
from messaging.consumer import Consumer, Handler, HandlerTable
from messaging.context import MessageContext, current_context, message_context
from messaging.dead_letters import DeadLetterView, list_dead_letters
from messaging.desk import DeadLetterDesk
from messaging.envelope import Event
from messaging.errors import (
    MessagingError,
    NotAnEvent,
    OutboxNotBound,
    PermanentError,
    RetryLater,
    SchemaInvalid,
    TooLarge,
    UnknownType,
)
from messaging.observer import Observer, OutcomeName
from messaging.outbox import (
    OutboxStatus,
    bind_outbox,
    delete_handled,
    delete_published,
    outbox_status,
    publish,
)
from messaging.registry import SchemaRegistry
from messaging.relay import Relay
from messaging.retry import RetryPolicy

__all__ = [
    "Condition",
    "Consumer",
    "DeadLetterDesk",
    "DeadLetterView",
    "Event",
    "Handler",
    "HandlerTable",
    "MessageContext",
    "MessagingError",
    "NotAnEvent",
    "Observer",
    "OutboxNotBound",
    "OutboxStatus",
    "OutcomeName",
    "PermanentError",
    "RabbitBroker",
    "Relay",
    "RetryLater",
    "RetryPolicy",
    "SchemaInvalid",
    "SchemaRegistry",
    "TooLarge",
    "UnknownType",
    "bind_outbox",
    "current_context",
    "delete_handled",
    "delete_published",
    "list_dead_letters",
    "message_context",
    "outbox_status",
    "publish",
]
