"""The event as it is made, stored and sent: CloudEvents 1.0 in structured JSON.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md names the attributes. `sequence`,
`correlationid`, `causationid` and `traceparent` are extension attributes.
"""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Self
from uuid import UUID, uuid4

from messaging.context import current_context
from messaging.errors import NotAnEvent, PermanentError, TooLarge
from messaging.strict_json import read_json, write_json

CONTENT_TYPE = "application/cloudevents+json"

#: An event is a message, not a file. Counted in bytes of the whole envelope.
MAX_BYTES = 256 * 1024

_TYPE = re.compile(r"(?P<producer>[a-z][a-z0-9]*)\.(?P<name>[a-z][a-z0-9_]*)\.v(?P<version>[1-9][0-9]{0,3})")
#: With the name of a service before it, it is a routing key, which has 255 bytes at most.
_MAX_TYPE = 200
#: Subject and trace parent: headers of the message have to fit into one frame.
_MAX_TEXT = 255
_MAX_SEQUENCE = 2**31 - 1  # a CloudEvents Integer is a signed 32-bit one
#: AMQP counts seconds from here.
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
#: Beyond, the same moment is no date any more in another zone.
_LATEST = datetime(9999, 12, 30, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Event:
    """A fact about one aggregate, with everything that an envelope says of it."""

    #: `<producer>.<name>.v<version>`, as in `shop.item_sold.v1`; the routing key, too.
    type: str
    #: The public id of the aggregate that the fact is about.
    subject: str
    #: The aggregate's version that the fact made: 1, 2, 3, ... without gaps.
    sequence: int
    #: The payload, JSON values only, as the type's schema says.
    data: dict[str, Any]
    id: UUID = field(default_factory=uuid4)
    #: When the event was made, UTC.
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    correlation_id: UUID
    causation_id: UUID | None = None
    traceparent: str | None = None

    def __post_init__(self) -> None:
        """Raise NotAnEvent for a type, subject, sequence, time or trace parent that no event can have."""
        if not is_type(self.type):
            raise NotAnEvent(f"type {_shown(self.type)} is not of the form producer.name.v1")
        if not _is_printable(self.subject):
            raise NotAnEvent(f"subject is not a text of 1 to {_MAX_TEXT} printable characters: it names the aggregate")
        if not 1 <= self.sequence <= _MAX_SEQUENCE:
            raise NotAnEvent(f"sequence {self.sequence} is not between 1 and {_MAX_SEQUENCE}")
        if not _EARLIEST <= self.time <= _LATEST:
            raise NotAnEvent(f"time {self.time.isoformat()} is not between {_EARLIEST.date()} and {_LATEST.date()}")
        if self.traceparent is not None and not _is_printable(self.traceparent):
            raise NotAnEvent(f"traceparent is not a text of 1 to {_MAX_TEXT} printable characters")

    @classmethod
    def new(cls, type: str, *, subject: str, sequence: int, data: dict[str, Any]) -> Self:
        """Make an event now, tied to the current message context; without one it starts a correlation."""
        context = current_context()
        event_id = uuid4()
        return cls(
            type=type,
            subject=subject,
            sequence=sequence,
            data=data,
            id=event_id,
            correlation_id=context.correlation_id or event_id,
            causation_id=context.cause.id if context.cause else None,
            traceparent=context.traceparent_for(type),
        )

    @property
    def producer(self) -> str:
        """Who publishes it: `shop` of `shop.item_sold.v1`."""
        return self.type.partition(".")[0]

    @property
    def aggregate(self) -> str:
        """Whose order it has to keep: subjects are unique only within their producer."""
        return f"{self.producer}/{self.subject}"

    @property
    def name(self) -> str:
        """The type without its version: `shop.item_sold`."""
        return self.type.rpartition(".")[0]

    @property
    def version(self) -> int:
        """The version of the type's schema."""
        return int(self.type.rpartition(".v")[2])

    def as_version(self, version: int, data: dict[str, Any]) -> "Event":
        """Return the same event in another version of its schema."""
        return replace(self, type=f"{self.name}.v{version}", data=data)

    def to_bytes(self) -> bytes:
        """Return the structured JSON form. Raises TooLarge beyond MAX_BYTES, ValueError for data that JSON has not."""
        attributes: dict[str, Any] = {
            "specversion": "1.0",
            "id": str(self.id),
            "source": f"/{self.producer}",
            "type": self.type,
            "subject": self.subject,
            "time": self.time.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "dataschema": f"urn:event:{self.type}",
            "sequence": self.sequence,
            "correlationid": str(self.correlation_id),
        }
        if self.causation_id is not None:
            attributes["causationid"] = str(self.causation_id)
        if self.traceparent is not None:
            attributes["traceparent"] = self.traceparent
        attributes["data"] = self.data
        body = write_json(attributes)
        _refuse_too_large(body)
        return body

    @classmethod
    def from_bytes(cls, body: bytes) -> Self:
        """Read the structured JSON form. Raises NotAnEvent with the attribute at fault, or TooLarge."""
        _refuse_too_large(body)
        try:
            return cls._read(body)
        except (PermanentError, MemoryError):
            raise
        except Exception as error:
            raise NotAnEvent(f"it cannot be read: {error!r}") from error

    @classmethod
    def _read(cls, body: bytes) -> Self:
        try:
            found = read_json(body)
        except ValueError as error:
            raise NotAnEvent(f"the body is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise NotAnEvent("the body is JSON, but not an object")
        if found.get("specversion") != "1.0":
            raise NotAnEvent(f"specversion is {_shown(found.get('specversion'))}, not '1.0'")
        data = found.get("data")
        if not isinstance(data, dict):
            raise NotAnEvent("data is missing or not an object")
        event = cls(
            type=_text(found, "type"),
            subject=_text(found, "subject"),
            sequence=_whole_number(found, "sequence"),
            data=data,
            id=_uuid(found, "id"),
            time=_time(found, "time"),
            correlation_id=_uuid(found, "correlationid"),
            causation_id=_uuid(found, "causationid") if "causationid" in found else None,
            traceparent=_text(found, "traceparent") if "traceparent" in found else None,
        )
        if _text(found, "source") != f"/{event.producer}":
            raise NotAnEvent(f"source is {_shown(found['source'])}, but the type is one of {event.producer!r}")
        return event


def is_type(text: str) -> bool:
    """Tell whether an event could be of this type, whether or not there is one."""
    return len(text) <= _MAX_TYPE and _TYPE.fullmatch(text) is not None


def _is_printable(text: str) -> bool:
    return 0 < len(text) <= _MAX_TEXT and text.isprintable()


def _shown(value: object) -> str:
    """Return a foreign value as it stands in a message to a person: it may be long."""
    shown = repr(value)
    return shown if len(shown) <= _MAX_TEXT else f"{shown[:_MAX_TEXT]}..."


def _refuse_too_large(body: bytes) -> None:
    if len(body) > MAX_BYTES:
        raise TooLarge(f"{len(body)} bytes are more than the {MAX_BYTES} that an event may have")


def _text(found: dict[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise NotAnEvent(f"{name} is missing or not a text")
    return value


def _whole_number(found: dict[str, Any], name: str) -> int:
    value = found.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise NotAnEvent(f"{name} is missing or not a whole number")
    return value


def _uuid(found: dict[str, Any], name: str) -> UUID:
    text = _text(found, name)
    try:
        return UUID(text)
    except ValueError as error:
        raise NotAnEvent(f"{name} {_shown(text)} is not a UUID") from error


def _time(found: dict[str, Any], name: str) -> datetime:
    text = _text(found, name)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotAnEvent(f"{name} {_shown(text)} is not an RFC 3339 time") from error
    if moment.tzinfo is None:
        raise NotAnEvent(f"{name} {_shown(text)} has no offset from UTC")
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise NotAnEvent(f"{name} {_shown(text)} is no date in UTC") from error
