"""The rules of dead letters, without database and broker: states, labels, and what an edited event keeps.

States: dead -> replay_requested -> replayed, or dead -> discard_requested -> discarded. A letter whose replay fails is
dead again. While it is dead, discarded, or sent on edited, copies of its message are held back and change nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

from messaging.envelope import Event
from messaging.errors import NotAnEvent
from messaging.sender import SENT_BY
from messaging.strict_json import read_json, write_json

#: Headers of a message in the dead-letter queue.
LETTER_ID = "dead-letter-id"
DEATH = "death"
#: Headers of a message in or from a wait queue, in seconds of the epoch: when it is or was back in the queue of events,
#: and when it first was sent round once more after it had come back.
BACK_AT = "back-at"
WAITS_SINCE = "waits-since"

#: Headers that a message gets on its way to the dead letters, and loses on its way back to life.
OF_DEATH = frozenset(
    {"attempts", "error", "reason", "detail", "routing-key", LETTER_ID, DEATH, BACK_AT, WAITS_SINCE, SENT_BY}
)

#: Characters of a header that holds a text of any length; the database and the log have all of it.
_MAX_TEXT = 500


class State(StrEnum):
    """Where a letter stands."""

    DEAD = "dead"
    REPLAY_REQUESTED = "replay_requested"
    DISCARD_REQUESTED = "discard_requested"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


#: The letters whose message is in the queue: what the list shows unless told otherwise.
OPEN = (State.DEAD, State.REPLAY_REQUESTED, State.DISCARD_REQUESTED)

#: A copy of an event whose letter stands so is not handled: it would have an effect and be dead at the same time.
BURIED = (State.DEAD, State.DISCARD_REQUESTED, State.DISCARDED)

#: By what a list can be filtered: the open letters, those in one state, or all.
STATE_FILTERS: Mapping[str, tuple[State, ...]] = MappingProxyType(
    {"open": OPEN, **{state.value: (state,) for state in State}, "all": tuple(State)}
)


class Action(StrEnum):
    """What can happen to a letter, as its history names it."""

    DIED = "died"
    REPLAY_REQUESTED = "replay_requested"
    EDITED = "edited"
    DISCARD_REQUESTED = "discard_requested"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


@dataclass(frozen=True)
class Label:
    """What a message in the queue says of itself: whose twin it is, and of which of its deaths."""

    letter_id: UUID
    #: 1 for the first time it died.
    death: int


@dataclass(frozen=True)
class Standing:
    """What the database says of a letter."""

    state: State
    deaths: int


class Fate(StrEnum):
    """What becomes of a message that is in the queue."""

    #: Its letter is open.
    STAYS = "stays"
    #: Its letter is closed, or has died again since and has a newer message.
    GOES = "goes"
    #: Nobody recorded it: RabbitMQ itself, or somebody with the console, put it there.
    UNRECORDED = "unrecorded"


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


def header_text(text: str) -> str:
    """Return the text as a header can hold it: not too long, and storable."""
    return storable(text[:_MAX_TEXT])


def storable(text: str) -> str:
    """Return the text as Postgres can keep it: without NUL and halves of surrogate pairs."""
    return text.encode(errors="replace").decode().replace("\0", "?")


def fate_of(label: Label | None, standing: Standing | None) -> Fate:
    """Tell what becomes of a message with this label, when its letter stands like this."""
    if label is None or standing is None or label.death > standing.deaths:
        return Fate.UNRECORDED
    if label.death == standing.deaths and standing.state in OPEN:
        return Fate.STAYS
    return Fate.GOES


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
