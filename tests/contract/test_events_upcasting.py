"""Publishers of different versions side by side: every consumer sees the newest version, whoever sent what."""

import random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.upcasters import UPCASTERS
from deploy import schemas
from messaging import Event
from messaging.schemas import example

REGISTRY = schemas.registry()
CREATED = "tracker.task_created"


def created_v1(title: str, task: int = 1) -> Event:
    """As a publisher of version 1 writes it."""
    data = example(REGISTRY.schemas[CREATED][1], schemas.glossary()) | {"task_id": str(UUID(int=task)), "title": title}
    return Event.new(f"{CREATED}.v1", subject=data["task_id"], sequence=1, data=data)


def created_v2(title: str, jira_id: str | None, task: int = 1) -> Event:
    """As a publisher of version 2 writes it."""
    data = created_v1(title, task).data | {"jira_id": jira_id}
    return Event.new(f"{CREATED}.v2", subject=data["task_id"], sequence=1, data=data)


def handled(body: bytes) -> Event:
    """The event as a handler gets it."""
    event = Event.from_bytes(body)
    REGISTRY.validate(event)
    lifted = REGISTRY.upcast(event)
    REGISTRY.validate(lifted)
    return lifted


@pytest.mark.parametrize(
    ("old", "title", "jira_id"),
    [
        ("Feed the chick", "Feed the chick", None),
        ("[POPUG-1] Feed", "Feed", "POPUG-1"),
        ("[POPUG-1]Feed", "Feed", "POPUG-1"),
        ("  [ POPUG-1 ]   Feed ", "Feed", "POPUG-1"),
        ("[POPUG-1] - Feed", "Feed", "POPUG-1"),
        ("[POPUG-1]: Feed", "Feed", "POPUG-1"),
        ("[POPUG-1] — Накормить птенца", "Накормить птенца", "POPUG-1"),
        ("[popug_2-17] -5 degrees", "-5 degrees", "popug_2-17"),
        ("[POPUG-1] [POPUG-2] Feed", "(POPUG-2) Feed", "POPUG-1"),
        ("[POPUG-1]", "POPUG-1", "POPUG-1"),
        ("Feed [now]", "Feed (now)", None),
        ("[bug] Feed", "(bug) Feed", None),
        ("[POPUG-] Feed", "(POPUG-) Feed", None),
        (f"[P-{'1' * 70}] Feed", f"(P-{'1' * 70}) Feed", None),
        ("]", ")", None),
    ],
)
def test_a_key_in_the_title_of_version_1_becomes_the_key_of_version_2(
    old: str, title: str, jira_id: str | None
) -> None:
    lifted = handled(created_v1(old).to_bytes())
    assert lifted.type == f"{CREATED}.v2"
    assert (lifted.data["title"], lifted.data["jira_id"]) == (title, jira_id)


@given(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("[]A-1 "), min_size=1, max_size=200))
def test_whatever_a_title_was_it_keeps_the_promise_of_version_2(title: str) -> None:
    assert handled(created_v1(title).to_bytes()).data["title"]


def test_what_has_no_upcaster_says_nothing_about_a_key() -> None:
    assert {type for type in UPCASTERS if type.startswith(CREATED)} == {f"{CREATED}.v1"}
    assert handled(created_v2("Feed", None).to_bytes()).data["jira_id"] is None


def test_publishers_of_both_versions_at_the_same_time_feed_one_consumer() -> None:
    old = [created_v1(f"[POPUG-{n}] Task {n}", task=n) for n in range(50)]
    new = [created_v2(f"Task {n}", f"POPUG-{n}", task=n) for n in range(50, 100)]
    wire = [event.to_bytes() for event in old + new]
    random.Random(5).shuffle(wire)
    tasks: dict[str, dict[str, Any]] = {}
    for body in wire:
        event = handled(body)
        assert event.type == f"{CREATED}.v2"
        tasks[event.subject] = event.data
    expected = {str(UUID(int=n)): (f"Task {n}", f"POPUG-{n}") for n in range(100)}
    assert {task: (data["title"], data["jira_id"]) for task, data in tasks.items()} == expected
