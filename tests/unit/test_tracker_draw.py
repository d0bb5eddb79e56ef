"""Who gets a task, and who may do what with one."""

import math
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from random import Random
from typing import Any
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
    crowd = [UUID(int=number) for number in range(1_000)]
    drawn = draw_assignees(crowd, 100_000, Random(7))
    random = Random(7)
    places = [draw_position(1_000, random) for _ in range(100_000)]
    assert abs(unevenness(Counter(drawn), among=1_000)) < 4
    assert abs(unevenness(Counter(places), among=1_000)) < 4


def test_whoever_is_drawn_says_nothing_about_who_is_drawn_next() -> None:
    crowd = [UUID(int=number) for number in range(30)]
    drawn = draw_assignees(crowd, 90_001, Random(7))
    assert abs(unevenness(Counter(pairwise(drawn)), among=900)) < 4


@given(among=st.integers(2, 50), seed=st.integers())
def test_a_crowd_of_any_size_is_drawn_from_evenly(among: int, seed: int) -> None:
    drawn = draw_assignees([UUID(int=number) for number in range(among)], 200 * among, Random(seed))
    assert unevenness(Counter(drawn), among=among) < FAR_BEYOND_CHANCE


def test_what_forked_processes_draw_is_as_even_together_and_none_repeats_another() -> None:
    """With the chance that the commands use, which they have from the import before the fork."""
    draw = """
import os, sys
from uuid import UUID
from tracker_service.commands.draw import CHANCE
from tracker_service.domain.draw import draw_assignees
children = 0
while children < 3 and os.fork():
    children += 1
drawn = draw_assignees([UUID(int=number) for number in range(20)], 1_000, CHANCE)  # fits into a pipe at once
os.write(1, " ".join(str(one.int) for one in drawn).encode() + b"\\n")
for _ in range(children if children == 3 else 0):
    os.wait()
"""
    done = subprocess.run([sys.executable, "-c", draw], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(set(lines)) == 4
    together = Counter(number for line in lines for number in line.split())
    assert together.total() == 4_000
    assert unevenness(together, among=20) < FAR_BEYOND_CHANCE


#: Chance reaches it once in a thousand billion times.
FAR_BEYOND_CHANCE = 7.0


def unevenness(counts: Counter[Any], *, among: int) -> float:
    """By how many standard deviations a chi-square test finds the counts less even than chance makes them.

    Below zero they are more even. Wilson and Hilferty tell how chi-square becomes a normal distribution.
    """
    expected, freedom = counts.total() / among, among - 1
    chi_square = sum((count - expected) ** 2 for count in counts.values()) / expected
    chi_square += (among - len(counts)) * expected
    deviation = 2 / (9 * freedom)
    return float(((chi_square / freedom) ** (1 / 3) - (1 - deviation)) / math.sqrt(deviation))


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
