"""What several services know of a request becomes one story, and a picture of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from chassis.timeline.diagram import Drawn, Kind, folded, sequence_diagram
from chassis.timeline.steps import Step, What
from chassis.timeline.story import merged_threads, put_together
from messaging.trail import Thread

BEGIN = datetime(2026, 11, 28, 12, tzinfo=UTC)
EVENT = UUID(int=1)


def step(service: str, what: What, after_ms: int, **more: Any) -> Step:
    return Step(at=BEGIN + timedelta(milliseconds=after_ms), service=service, what=what, **{"id": EVENT} | more)


def made(after_ms: int = 0, **more: Any) -> Step:
    return step("tracker", What.EVENT, after_ms, **{"type": "tracker.task_created.v2", "took_ms": 70} | more)


def test_a_handled_event_gets_its_name_its_producer_and_its_time_in_the_queue_from_the_one_that_made_it() -> None:
    handled = step("billing", What.HANDLED, 112, took_ms=22)
    request, effect = put_together([handled, made()]).moments
    assert (request.sets_off, request.since_ms, request.queue_ms) == (True, 0, None)
    assert (effect.step.type, effect.producer, effect.queue_ms) == ("tracker.task_created.v2", "tracker", 42)
    assert (effect.since_ms, effect.step.took_ms) == (112, 22)


def test_with_its_producer_away_it_is_still_known_that_an_event_was_handled() -> None:
    [effect] = put_together([step("billing", What.HANDLED, 0, took_ms=22)]).moments
    assert (effect.step.id, effect.step.type, effect.producer, effect.queue_ms) == (EVENT, None, None, None)


def test_a_request_is_what_no_event_has_caused_and_comes_before_the_movements_that_it_made_itself() -> None:
    payout = step("billing", What.LEDGER, 0, id=uuid4(), amount_cents=-1500)
    asked = step("billing", What.EVENT, 45, type="billing.transaction_posted.v1")
    more = step("billing", What.EVENT, 46, id=uuid4(), type="billing.day_closed.v1")
    follows = step("billing", What.EVENT, 47, id=uuid4(), type="billing.task_priced.v1", cause_id=EVENT)
    moments = put_together([payout, more, follows, asked]).moments
    assert [moment.step for moment in moments] == [asked, payout, more, follows]
    assert [moment.sets_off for moment in moments] == [True, False, False, False]
    assert [moment.since_ms for moment in moments] == [0, 0, 1, 2]


def test_two_clocks_that_disagree_make_no_time_before_the_beginning() -> None:
    _, early = put_together([made(0), step("billing", What.HANDLED, 60)]).moments
    assert early.queue_ms == 0


def test_a_thread_that_several_services_know_is_told_once_the_newest_first() -> None:
    old, new = uuid4(), uuid4()
    told = [
        Thread(old, BEGIN + timedelta(seconds=1), "billing.task_priced.v1", 3),
        Thread(new, BEGIN + timedelta(hours=1), "tracker.task_completed.v1", 1),
        Thread(old, BEGIN, "tracker.task_created.v2", 2),
    ]
    first, second = merged_threads(told)
    assert (first.correlation_id, second.correlation_id) == (new, old)
    assert (second.since, second.type, second.events) == (BEGIN, "tracker.task_created.v2", 5)


def test_arrows_go_from_column_to_column_downwards_and_what_repeats_itself_is_counted() -> None:
    told = [Drawn(Kind.ARROW, "billing", f"+{n} ms", name="task_assigned", origin="tracker") for n in range(3)]
    back = Drawn(Kind.ARROW, "tracker", "+9 ms", name="task_priced", origin="billing")
    loop = Drawn(Kind.ARROW, "tracker", "+9 ms", name="reassignment_requested", origin="tracker")
    note = Drawn(Kind.NOTE, "billing", "+9 ms", words="fee")
    diagram = sequence_diagram(["tracker", "billing"], folded([*told, back, loop, note]))
    there, returned, itself, noted = diagram.rows
    assert (there.name, there.words, there.time) == ("task_assigned", " ×3", "+0 ms")
    tracker, billing = (column.x for column in diagram.columns)
    assert (there.x1, there.x2) == (tracker, billing)
    assert (returned.x1, returned.x2) == (billing, tracker)
    assert (itself.x1, itself.x2, itself.anchor) == (tracker, tracker, "start")
    assert (noted.x1, noted.x2, noted.anchor) == (None, billing, "end")
    heights = [row.y for row in diagram.rows]
    assert heights == sorted(set(heights))
    assert heights[-1] < diagram.height
    assert billing < diagram.width
