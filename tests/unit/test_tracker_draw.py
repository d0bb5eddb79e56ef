"""Who gets a task, and who may do what with one."""

import subprocess
import sys
from collections import Counter
from random import Random
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.settings import REPOSITORY
from tracker_service.domain.draw import can_be_assigned, draw_assignees, draw_position
from tracker_service.domain.rights import may_edit, may_list_tasks_of, may_reassign
from tracker_service.errors import NobodyToAssign

ROLES = ["popug", "boss", "accountant", "manager", "admin"]


@pytest.mark.parametrize("role", ROLES)
def test_everyone_active_can_be_assigned_but_managers_and_admins(role: str) -> None:
    assert can_be_assigned(role=role, status="active") == (role not in ("manager", "admin"))
    assert not can_be_assigned(role=role, status="blocked")


def test_from_an_empty_crowd_nobody_is_drawn() -> None:
    with pytest.raises(NobodyToAssign):
        draw_position(0, Random())
    with pytest.raises(NobodyToAssign):
        draw_assignees([], 3, Random())


@given(crowd=st.integers(1, 10_000), seed=st.integers())
def test_whoever_is_drawn_stands_in_the_crowd(crowd: int, seed: int) -> None:
    assert 0 <= draw_position(crowd, Random(seed)) < crowd


@given(crowd=st.lists(st.uuids(), min_size=1, unique=True), tasks=st.integers(0, 600), seed=st.integers())
def test_every_task_gets_one_of_the_crowd(crowd: list[UUID], tasks: int, seed: int) -> None:
    drawn = draw_assignees(crowd, tasks, Random(seed))
    assert len(drawn) == tasks
    assert set(drawn) <= set(crowd)


def test_everyone_is_equally_likely() -> None:
    crowd = [uuid4() for _ in range(8)]
    shares = Counter(draw_assignees(crowd, 80_000, Random(7))).values()
    places = Counter(draw_position(8, random) for random in [Random(7)] for _ in range(80_000)).values()
    for counts in (shares, places):
        assert len(counts) == 8
        # Each expects 10,000 with a standard deviation of 94.
        assert all(abs(count - 10_000) < 5 * 94 for count in counts)


@pytest.mark.parametrize(
    "command",
    [
        "tracker_service.commands.create_task",
        "tracker_service.commands.reassign_batch",
        "billing_service.commands.pricing.price_tasks",
    ],
)
def test_two_processes_that_were_forked_after_the_import_draw_differently(command: str) -> None:
    """As the workers of a web server are."""
    draw = f"""
import inspect, os, sys
from pkgutil import resolve_name
random = inspect.signature(resolve_name({command!r})).parameters["random"].default
child = os.fork()
sys.stdout.write(f"{{random.getrandbits(64)}}\\n")
sys.stdout.flush()
if child:
    os.waitpid(child, 0)
"""
    done = subprocess.run([sys.executable, "-c", draw], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert len(set(done.stdout.split())) == 2


@pytest.mark.parametrize("role", ROLES)
def test_who_watches_over_all_tasks_may_reassign_list_and_edit(role: str) -> None:
    overseer = role in ("manager", "admin")
    me, other = uuid4(), uuid4()
    assert may_reassign(role) == overseer
    assert may_list_tasks_of(other, viewer_id=me, role=role) == overseer
    assert may_edit(creator_id=other, assignee_id=other, editor_id=me, role=role) == overseer


@pytest.mark.parametrize("role", ROLES)
def test_everyone_lists_their_own_tasks_and_edits_those_they_wrote_or_have(role: str) -> None:
    me, other = uuid4(), uuid4()
    assert may_list_tasks_of(me, viewer_id=me, role=role)
    assert may_edit(creator_id=me, assignee_id=other, editor_id=me, role=role)
    assert may_edit(creator_id=other, assignee_id=me, editor_id=me, role=role)
