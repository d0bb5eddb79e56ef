"""Everything that messaging raises: one tree, and the text of each error says what to do about it.

MessagingError               catch this one to catch them all
    OutboxNotBound           publish: the session is none of a sessionmaker that was bound
    ForeignEvent             publish: the event is another producer's
    SchemaRegistryError      a schema file, or the lock file, cannot be used
    StorageUnavailable       a relay: its database is away
    BrokerUnavailable        the broker is away
    TopologyConflict         the broker has a queue or an exchange of that name with other arguments
    CannotBeEncoded          AMQP cannot say the message
    RetryLater               raise it in a handler: try the event again after a delay
    PermanentError           raise it in a handler, or a subclass: the event is a dead letter at once
        NotAnEvent           a message: no CloudEvent
        WrongContentType     a message: says itself that it is no CloudEvent in JSON
        TooLarge             a message, or publish: too many bytes
        UnknownType          a message, or publish: no schema for the type, or no handler
        NotFromItsProducer   a message: somebody else sent it
        SchemaInvalid        a message, or publish: the data does not fit the schema
        AttemptsUsedUp       an event: every attempt failed
        KillsTheProcess      an event: the process ended while it was handled, more than once
        EndsTheTransaction   a handler: it committed or rolled back
        GivenUpByBroker      a message: dead-lettered by RabbitMQ or by a person
    ReplayRefused            a replay cannot begin, or be given up
    ReplayStopped            a replay ended before its time
    ReplayLost               a replay belongs to another process now
    ReplayUnderWay           a gradual replay: another one goes on
    LetterUnknown            a decision: no dead letter has this id
    LetterNotDead            a decision: somebody decided before
    NotWaiting               a retry: the event does not wait for its next attempt
"""


class MessagingError(Exception):
    """Something about an event, its schema or the broker is not as it must be."""


class OutboxNotBound(MessagingError):
    """`publish` was given a session of a sessionmaker that never went through `bind_outbox`."""


class ForeignEvent(MessagingError):
    """`publish` was given an event of another producer: the broker would refuse it again and again."""


class SchemaRegistryError(MessagingError):
    """A schema file cannot be used: it is not JSON, no JSON Schema, or not where its name says."""


class StorageUnavailable(MessagingError):
    """The database with the outbox cannot be reached now."""


class BrokerUnavailable(MessagingError):
    """The broker cannot be reached, or did not answer in time. What was handed to it is to be sent again."""


class TopologyConflict(MessagingError):
    """The broker has a queue or an exchange of the same name with other arguments. It has to go first."""


class CannotBeEncoded(MessagingError):
    """AMQP cannot say this message: a text that is too long, a number too large. It would fail whenever it is sent."""


class RetryLater(MessagingError):
    """Raised by a handler: this event cannot be handled now, but may be later. Costs one attempt."""


class PermanentError(MessagingError):
    """This event can never be handled, however often it is tried: it goes to the dead letters at once.

    `reason` is the short name by which dead letters are grouped, the message tells a person what is wrong.
    """

    reason = "refused-by-handler"


class NotAnEvent(PermanentError):
    """The message is no CloudEvent of ours: not JSON, an attribute missing or of the wrong kind."""

    reason = "not-an-event"


class WrongContentType(PermanentError):
    """The message says that it is something other than a structured CloudEvent in JSON."""

    reason = "wrong-content-type"


class TooLarge(PermanentError):
    """The message has more bytes than an event may have."""

    reason = "too-large"


class UnknownType(PermanentError):
    """No schema, or no handler, has this name or this version."""

    reason = "unknown-type"


class NotFromItsProducer(PermanentError):
    """The user who sent the event, or its routing key, is not that of the producer whom it names."""

    reason = "not-from-its-producer"


class SchemaInvalid(PermanentError):
    """The event's data does not fit the schema of its type."""

    reason = "schema-invalid"


class AttemptsUsedUp(PermanentError):
    """The event was tried as often as the configuration allows, and failed each time."""

    reason = "attempts-used-up"


class KillsTheProcess(PermanentError):
    """The consumer's process ended without a word, more than once, while it handled this event."""

    reason = "kills-the-process"


class EndsTheTransaction(PermanentError):
    """The handler commits or rolls back its session. It shares the transaction with others and must leave it alone."""

    reason = "ends-the-transaction"


class GivenUpByBroker(PermanentError):
    """Somebody other than the consumer put the message among the dead letters: RabbitMQ, or a person at its console."""

    reason = "given-up-by-broker"


class ReplayRefused(MessagingError):
    """A replay cannot be begun or given up as things are. Nothing was changed."""


class ReplayStopped(MessagingError):
    """A replay was told to stop before its end. The text says what is to be done."""


class ReplayLost(MessagingError):
    """The replay that this process carries out was given up or begun anew by another one."""


class ReplayUnderWay(MessagingError):
    """A gradual replay goes on: two at once could not be told apart by what becomes of their letters."""


class LetterUnknown(MessagingError):
    """No dead letter has this id."""


class LetterNotDead(MessagingError):
    """Somebody has decided about the dead letter before."""

    def __init__(self, state: str) -> None:
        """Take the state that it is in instead."""
        super().__init__(f"the letter is not dead: {state}")
        self.state = state


class NotWaiting(MessagingError):
    """The event does not wait for its next attempt, so it cannot be had at once."""

    def __init__(self, state: str) -> None:
        """Take the state that it is in instead."""
        super().__init__(f"the event does not wait for its next attempt: {state}")
        self.state = state
