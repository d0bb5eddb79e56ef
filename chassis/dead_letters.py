"""What people do with dead letters, by REST and by page: reading them, and writing down what they decide."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from chassis.errors import N_, Conflict, Invalid, NotFound
from chassis.identity import current_principal
from chassis.input.bodies import BeyondLimits, load_json
from chassis.paging import Order, Page, PageRequest, Position
from chassis.runtime import runtime
from messaging import PermanentError
from messaging.dead_letters import (
    STATE_FILTERS,
    Actor,
    DeadLetterStory,
    DeadLetterView,
    Decision,
    Selection,
    Trial,
    decide,
    decide_all,
    list_dead_letters,
    read_dead_letter,
    replay_edited,
    replay_gradually,
    retry_one,
    retry_waiting,
    stop_gradual_replay,
    try_out,
    write_note,
)
from messaging.errors import LetterNotDead, LetterUnknown, NotWaiting, ReplayUnderWay
from messaging.tables import HeldMessage

#: A letter that dies again moves to the end, and is news again.
_ORDER = Order((HeldMessage.position,))


class DeadLetterNotFound(NotFound):
    """There is no dead letter of this id."""


class AlreadyDecided(Conflict):
    """Somebody has decided about the letter before: once is enough."""


class EventNotWaiting(Conflict):
    """The event does not wait for its next attempt."""


class ReplayGoesOn(Conflict):
    """One gradual replay at a time."""


class InvalidEvent(Invalid):
    """The edited event would die again."""


def page_of_letters(page: PageRequest, selection: Selection, state: str) -> Page[DeadLetterView]:
    """Return a page of the letters in this state, a name among STATE_FILTERS."""
    after, before = _span(_ORDER.position(page))
    with runtime().database.reading() as session:
        found = list_dead_letters(
            session,
            limit=page.limit + 1,
            type=selection.type,
            reason=selection.reason,
            field=selection.field,
            states=STATE_FILTERS[state],
            after=after,
            before=before,
        )
    return _ORDER.page(page, [(letter, (letter.position,)) for letter in found])


def _span(position: Position | None) -> tuple[int, int | None]:
    """Return where the list begins and ends as `list_dead_letters` understands it, which knows whole numbers only."""
    if position is None:
        return 0, None
    [number] = position.values
    if position.backwards:
        return 0, number + position.inclusive
    return number - position.inclusive, None


def letter_story(letter_id: UUID) -> DeadLetterStory:
    """Return a letter with its history. Raises DeadLetterNotFound."""
    with _refusals(letter_id), runtime().database.reading() as session:
        return read_dead_letter(session, letter_id)


def decide_about(letter_id: UUID, decision: Decision) -> None:
    """Write down what who is signed in decides about a letter. Raises DeadLetterNotFound or AlreadyDecided."""
    with _refusals(letter_id), runtime().database.transaction() as session:
        decide(session, letter_id, decision, by=_actor())


def decide_about_all(selection: Selection, decision: Decision) -> int:
    """Write down what who is signed in decides about all dead letters of a selection; return how many there were."""
    with runtime().database.transaction() as session:
        return decide_all(session, selection, decision, by=_actor())


def begin_gradually(selection: Selection) -> int:
    """Have the dead letters of a selection replayed a few at a time; return how many there are. Raises ReplayGoesOn."""
    try:
        with runtime().database.transaction() as session:
            return replay_gradually(session, selection, by=_actor())
    except ReplayUnderWay as error:
        raise ReplayGoesOn(N_("A gradual replay is under way: let it end, or stop it.")) from error


def stop_gradually() -> bool:
    """Stop the gradual replay; tell whether there was one."""
    with runtime().database.transaction() as session:
        return stop_gradual_replay(session)


def note_group(type: str, reason: str, text: str) -> None:
    """Write a note about a group of dead letters; an empty one takes it away."""
    with runtime().database.transaction() as session:
        write_note(session, type, reason, text, by=_actor())


def try_letter(letter_id: UUID, changes: Mapping[str, Any] | None = None) -> Trial:
    """Find out what a replay would do. Raises DeadLetterNotFound, or InvalidEvent for an edited event that is none."""
    database = runtime().database
    with _refusals(letter_id):
        return try_out(
            database.sessions,
            letter_id,
            changes,
            service=runtime().settings.service,
            handlers=runtime().handlers,
            registry=database.registry,
        )


def retry_waiting_event(event_id: UUID) -> None:
    """Have one event tried at once that waits for its next attempt. Raises DeadLetterNotFound or EventNotWaiting."""
    with _refusals(event_id), runtime().database.transaction() as session:
        retry_one(session, event_id, by=_actor())


def retry_all() -> int:
    """Have everything tried at once that waits for its next attempt; return how much that is."""
    with runtime().database.transaction() as session:
        return retry_waiting(session, by=_actor())


def replay_with(letter_id: UUID, changes: Mapping[str, Any]) -> UUID:
    """Have an edited event sent in place of a letter; return its id. Raises InvalidEvent besides the others."""
    with _refusals(letter_id), runtime().database.transaction() as session:
        registry = runtime().database.registry
        return replay_edited(session, letter_id, changes, by=_actor(), registry=registry).id


def event_of_text(text: bytes) -> dict[str, Any] | None:
    """Return the JSON object that was sent; None for `null` and for one with nothing in it. Raises InvalidEvent."""
    try:
        found = load_json(text)
    except BeyondLimits as error:
        raise InvalidEvent(error.message, errors={"event": [error.message]}) from error
    except ValueError as error:
        raise InvalidEvent(_NO_JSON, errors={"event": [_NO_JSON]}, error=error) from error
    if found is not None and not isinstance(found, dict):
        raise InvalidEvent(_NO_OBJECT, errors={"event": [_NO_OBJECT]})
    return found or None


_NO_JSON = N_("This is not JSON.")
_NO_OBJECT = N_("An event is a JSON object.")


def _actor() -> Actor:
    principal = current_principal()
    return Actor(principal.name, principal.user_id)


@contextmanager
def _refusals(letter_id: UUID) -> Iterator[None]:
    """Let what the rules of dead letters refuse become an answer."""
    try:
        yield
    except LetterUnknown as error:
        raise DeadLetterNotFound(N_("There is no dead letter %(id)s."), id=letter_id) from error
    except LetterNotDead as error:
        raise AlreadyDecided(N_("This dead letter was replayed or discarded before.")) from error
    except NotWaiting as error:
        raise EventNotWaiting(N_("This event does not wait for its next attempt.")) from error
    except PermanentError as error:
        text = N_("The event would die again: %(why)s")
        raise InvalidEvent(text, errors={"event": [str(error)]}, why=error) from error
