"""What becomes of a message among the dead letters, and what an edited event keeps of the dead one."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from messaging import Event, NotAnEvent, TooLarge
from messaging.dead_letters.rules import (
    Label,
    death_headers,
    label_of,
    living_headers,
    revise,
)
from messaging.envelope import MAX_BYTES

LETTER = UUID(int=7)
DEAD = Event.new("shop.sold.v1", subject="apples", sequence=3, data={"n": "many"})


def test_a_label_is_read_as_it_was_written() -> None:
    headers = death_headers(Label(LETTER, 2), reason="too-large", detail="x" * 10_000, attempts=4)
    assert label_of({"subject": "apples", **headers}) == Label(LETTER, 2)
    assert (headers["reason"], headers["attempts"], len(headers["detail"])) == ("too-large", 4, 500)


@pytest.mark.parametrize("changes", [{"death": 0}, {"death": "2"}, {"dead-letter-id": "x"}, {"dead-letter-id": None}])
def test_a_label_that_makes_no_sense_is_none(changes: dict[str, object]) -> None:
    headers = death_headers(Label(LETTER, 2), reason="too-large", detail="", attempts=4)
    assert label_of({**headers, **changes}) is None


def test_a_message_that_lives_again_has_no_trace_of_its_death() -> None:
    dead = death_headers(Label(LETTER, 2), reason="too-large", detail="", attempts=4)
    own = {"subject": "apples", "sequence": 3}
    assert living_headers({**own, **dead, "x-death": [], "error": "ValueError", "routing-key": "a"}) == own


def revised(changes: dict[str, Any], body: bytes | None = None, correlation_id: str = "") -> Event:
    return revise(LETTER, DEAD.to_bytes() if body is None else body, changes, correlation_id)


def test_an_edited_event_is_new_and_keeps_cause_correlation_and_what_was_not_edited() -> None:
    event = revised({"data": {"n": 1}, "id": str(DEAD.id), "correlationid": str(uuid4()), "causationid": str(uuid4())})
    assert event.id != DEAD.id
    assert (event.causation_id, event.correlation_id) == (DEAD.id, DEAD.correlation_id)
    assert (event.type, event.subject, event.sequence, event.time) == (
        DEAD.type,
        DEAD.subject,
        DEAD.sequence,
        DEAD.time,
    )
    assert event.data == {"n": 1}


def test_what_was_no_event_can_be_made_one() -> None:
    correlation = uuid4()
    whole = json.loads(DEAD.to_bytes())
    event = revised(whole, b"parrot \xff", str(correlation))
    assert (event.causation_id, event.correlation_id) == (LETTER, correlation)
    assert revised(whole, b"[]").correlation_id == LETTER


@pytest.mark.parametrize(
    "changes",
    [{"type": "sold"}, {"data": None}, {"sequence": 0}, {"source": "/tracker"}, {"data": {"n": float("nan")}}],
)
def test_what_is_no_event_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(NotAnEvent):
        revised(changes)


def test_an_edited_event_must_not_be_too_large() -> None:
    with pytest.raises(TooLarge):
        revised({"data": {"n": "x" * MAX_BYTES}})
