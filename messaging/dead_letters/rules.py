"""The rules of dead letters, without database and broker: labels, headers, and what an edited event keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from messaging.envelope import Event
from messaging.errors import NotAnEvent
from messaging.sender import SENT_BY
from messaging.strict_json import read_json, write_json
from messaging.text import header_text

#: Headers of a message in the dead-letter queue.
LETTER_ID = "dead-letter-id"
DEATH = "death"
#: Headers that a message gets on its way to the dead letters, and loses on its way back to life.
OF_DEATH = frozenset({"attempts", "error", "reason", "detail", "routing-key", LETTER_ID, DEATH, SENT_BY})


@dataclass(frozen=True)
class Label:
    """What a message in the queue says of itself: for which letter it stands, and for which of its deaths."""

    letter_id: UUID
    #: 1 for the first time it died.
    death: int


def label_of(headers: Mapping[str, Any]) -> Label | None:
    """Return the label among the headers of a message; None if there is none that can be read."""
    letter_id, death = headers.get(LETTER_ID), headers.get(DEATH)
    if not isinstance(letter_id, str) or not isinstance(death, int) or death < 1:
        return None
    try:
        return Label(UUID(letter_id), death)
    except ValueError:
        return None


def death_headers(label: Label, *, reason: str, detail: str, attempts: int) -> dict[str, Any]:
    """Return what a message in the queue says of its death, to us and to who looks with the management console."""
    return {
        "attempts": attempts,
        "reason": reason,
        "detail": header_text(detail),
        LETTER_ID: str(label.letter_id),
        DEATH: label.death,
    }


def trusted_headers(headers: Mapping[str, Any], *, user_id: str, own: str) -> dict[str, Any]:
    """Return the headers of a message of this user, as `own`, who receives it, may believe them.

    Which letter it has, how often it was tried and who sent it first, a service believes only itself.
    """
    return {name: value for name, value in headers.items() if name not in OF_DEATH or user_id == own}


def living_headers(headers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the headers as the producer set them: without those of retries, of death and of the broker."""
    return {name: value for name, value in headers.items() if name not in OF_DEATH and not name.startswith("x-")}


def revise(letter_id: UUID, body: bytes, changes: Mapping[str, Any], correlation_id: str = "") -> Event:
    """Return a new event: the dead one with other attributes, caused by it and of the same correlation.

    What `changes` does not name is taken from the dead one. `correlation_id` serves if that has none.
    Raises NotAnEvent or TooLarge for what cannot be an event.
    """
    dead = _attributes(body)
    cause = _uuid_or(dead.get("id"), letter_id)
    revised = {
        **dead,
        **changes,
        "id": str(uuid4()),
        "causationid": str(cause),
        "correlationid": str(_uuid_or(dead.get("correlationid"), _uuid_or(correlation_id, cause))),
    }
    try:
        written = write_json(revised)
    except (ValueError, RecursionError) as error:
        raise NotAnEvent(f"this cannot be written as JSON: {error}") from error
    event = Event.from_bytes(written)
    event.to_bytes()  # the canonical form may be longer
    return event


def _attributes(body: bytes) -> dict[str, Any]:
    try:
        found = read_json(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _uuid_or(text: object, otherwise: UUID) -> UUID:
    try:
        return UUID(text) if isinstance(text, str) else otherwise
    except ValueError:
        return otherwise
