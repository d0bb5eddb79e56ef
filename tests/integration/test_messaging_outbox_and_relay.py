"""From the commit to the broker: what is committed is sent, in order, whatever happens to relay and servers."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from random import Random

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from messaging import Event, Observer, OutboxNotBound, SchemaInvalid, delete_published, outbox_status, publish
from messaging.broker.publisher import RabbitPublisher
from messaging.outbox_reader import OutboxReader, PendingEvent
from messaging.tables import OutboxEvent
from messaging.topology import events_queue
from messaging.transport import Outcome
from tests.integration.conftest import ConnectionCutter
from tests.integration.messaging_house import SOLD, House
from tests.waiting import eventually


def test_an_event_is_sent_after_the_commit_and_not_after_a_rollback(house: House) -> None:
    house.relay()
    house.consumer()
    with pytest.raises(ZeroDivisionError), house.sessions.begin() as session:
        house.sell_in(session, "apples", 1)
        session.flush()
        raise ZeroDivisionError
    house.sell("pears", 2)
    house.wait_for_effects(1)
    assert [(e.subject, e.n) for e in house.effects()] == [("pears", 2)]


def test_an_event_that_does_not_fit_its_schema_is_refused_when_it_is_published(house: House) -> None:
    with house.sessions.begin() as session:
        event = house.sell_in(session, "apples")
        with pytest.raises(SchemaInvalid, match="colour"):
            publish(session, event.as_version(2, {"n": 1}))
    assert house.pending() == 1


def test_a_session_without_an_outbox_is_told_so(house: House) -> None:
    event = house.sell("apples")
    with Session(house.engine) as session, pytest.raises(OutboxNotBound, match="bind_outbox"):
        publish(session, event)


def test_one_transaction_may_publish_many_events_and_they_keep_their_order(house: House) -> None:
    with house.sessions.begin() as session:
        for n in range(300):
            house.sell_in(session, f"shelf-{n % 3}", n)
    house.consumer()
    house.relay()
    house.wait_for_effects(300)
    assert [house.sequences(f"shelf-{n}") for n in range(3)] == [list(range(1, 101))] * 3


def test_with_twenty_writers_every_aggregate_is_seen_in_the_order_of_its_commits(house: House) -> None:
    house.relay()
    house.consumer()

    def write(seed: int) -> None:
        random = Random(seed)
        for n in range(25):
            with house.sessions.begin() as session:
                house.sell_in(session, f"shelf-{random.randrange(6)}", n)
                if random.random() < 0.3:
                    # An id drawn early and committed late is what loses events for those who read "id > last".
                    house.draw_ids(session)
                    session.execute(text("SELECT pg_sleep(0.01)"))

    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    house.wait_for_effects(500)
    for shelf in range(6):
        sequences = house.sequences(f"shelf-{shelf}")
        assert sequences == list(range(1, len(sequences) + 1))
    assert len(house.effects()) == 500
    eventually(lambda: house.pending() == 0)


def test_an_aggregate_with_more_events_than_a_relay_takes_keeps_no_other_one_waiting(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("messaging.lines._LINE", 4)
    house.subscribe()
    hot, others = 100, [f"shelf-{n}" for n in range(5)]
    with house.sessions.begin() as session:
        for n in range(hot):
            house.sell_in(session, "hot", n)
        for shelf in others:
            house.sell_in(session, shelf)
    house.relay(window=20)
    sent = [Event.from_bytes(body) for body in house.queued(events_queue(house.service), hot + len(others))]
    assert [event.sequence for event in sent if event.subject == "hot"] == list(range(1, hot + 1))
    assert {event.subject for event in sent[: hot // 2]} == {"hot", *others}


def test_a_chain_that_is_cut_goes_on_where_it_was(house: House, cutter: ConnectionCutter) -> None:
    house.consumer()
    house.relay()
    for round_ in range(1, 4):
        sell_at_once(house, "hot", 200)
        eventually(partial(has_effects, house, 200 * round_ - 190))
        cutter.cut()
        house.wait_for_effects(200 * round_)
    assert house.sequences("hot") == list(range(1, 601))


def test_a_relay_that_is_stopped_in_the_middle_of_an_aggregate_leaves_nothing_to_be_sent_twice(house: House) -> None:
    house.subscribe()
    queue = events_queue(house.service)
    sell_at_once(house, "hot", 1_000)
    house.relay()
    eventually(lambda: house.broker.queue_state(queue).ready > 0)
    house.stop_last()
    assert house.pending() > 0
    house.relay()
    eventually(lambda: house.pending() == 0)
    sent = [Event.from_bytes(body).sequence for body in house.queued(queue, 1_000)]
    assert sent == list(range(1, 1_001))
    assert house.broker.queue_state(queue).ready == 0


def sell_at_once(house: House, subject: str, count: int) -> None:
    with house.sessions.begin() as session:
        for n in range(count):
            house.sell_in(session, subject, n)


def has_effects(house: House, count: int) -> bool:
    return len(house.effects()) >= count


def test_only_one_relay_works_and_the_standby_takes_over(house: House) -> None:
    first = house.relay()
    eventually(first.active.is_set)
    standby = house.relay()
    house.sell("apples")
    eventually(lambda: house.pending() == 0)
    assert not standby.active.is_set()
    house._running[0][0].set()
    house._running[0][1].join()
    eventually(standby.active.is_set)
    house.sell("apples")
    eventually(lambda: house.pending() == 0)


def test_a_relay_whose_connection_to_the_database_is_cut_goes_on(house: House) -> None:
    house.relay()
    house.consumer()
    for n in range(5):
        house.sell("apples", n)
        with house.engine.begin() as connection:
            connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
    house.wait_for_effects(5)
    assert house.sequences("apples") == [1, 2, 3, 4, 5]


def test_a_relay_and_a_consumer_whose_connections_to_the_broker_are_cut_go_on(
    house: House, cutter: ConnectionCutter
) -> None:
    house.relay()
    house.consumer()
    for round_ in range(3):
        for n in range(50):
            house.sell(f"shelf-{n % 5}", n)
        cutter.cut()
        house.wait_for_effects(50 * (round_ + 1))
    assert [house.sequences(f"shelf-{n}") for n in range(5)] == [list(range(1, 31))] * 5


def test_an_event_that_was_confirmed_but_not_marked_is_sent_again_and_has_one_effect(house: House) -> None:
    house.relay()
    house.consumer()
    house.sell("apples")
    house.wait_for_effects(1)
    eventually(lambda: house.pending() == 0)
    with house.engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET published_at = NULL"))
    house.sell("pears")
    eventually(lambda: house.outcomes["duplicate"] == 1)
    eventually(lambda: house.pending() == 0)
    assert len(house.effects()) == 2


def test_events_committed_while_the_broker_refuses_us_wait_and_are_sent_later(
    house: House, cutter: ConnectionCutter
) -> None:
    house.consumer()
    eventually(house.relay().active.is_set)
    cutter.keep_out()
    for n in range(20):
        house.sell("apples", n)
    assert house.pending() > 0
    cutter.let_in()
    house.wait_for_effects(20)
    assert house.sequences("apples") == list(range(1, 21))


def test_what_nobody_subscribed_to_is_kept_where_an_operator_sees_it(house: House) -> None:
    house.relay()
    house.sell("apples", 7)
    (body,) = house.queued(f"{house.name}.unrouted", 1)
    assert b'"n":7' in body


def test_a_body_that_is_no_text_is_published_byte_for_byte_and_holds_nobody_up(house: House) -> None:
    body = b'{"parrot": "\xff\x00"}'
    house.sell("apples")
    with house.sessions.begin() as session:
        session.execute(text("UPDATE outbox SET body = :body"), {"body": body})
    house.sell("pears")
    house.consumer()
    house.relay()
    house.wait_for_effects(1)
    (letter,) = eventually(house.dead_letters)
    assert letter.reason == "not-an-event"
    assert list(house.queued(f"{house.service}.dead", 1)) == [body]


def test_what_is_committed_while_a_line_stays_full_is_published_all_the_same(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The relay hears of no confirm of one aggregate, so that its line never gets shorter."""
    monkeypatch.setattr("messaging.lines._LINE", 4)
    monkeypatch.setattr("messaging.relay._FIRST_FETCH", 4)
    settle = RabbitPublisher.outcomes
    hot = {event.id for event in (house.sell("apples") for _ in range(20))}

    def outcomes(publisher: RabbitPublisher, timeout: float) -> list[Outcome]:
        with house.sessions() as session:
            rows = session.execute(select(OutboxEvent.id).where(OutboxEvent.event_id.in_(hot)))
            unanswered = {row_id for (row_id,) in rows}
        return [outcome for outcome in settle(publisher, timeout) if outcome.tag not in unanswered]

    def pears_are_handled(count: int) -> bool:
        return len(house.effects("pears")) == count

    monkeypatch.setattr(RabbitPublisher, "outcomes", outcomes)
    house.consumer()
    house.relay()
    for n in range(5):
        house.sell("pears")
        eventually(partial(pears_are_handled, n + 1))
    assert house.sequences("apples") == [1, 2, 3, 4]


def test_a_client_that_would_read_another_encoding_publishes_what_was_committed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "SQL_ASCII")
    house.subscribe()
    with house.sessions.begin() as session:
        event = Event.new(f"{SOLD}.v2", subject="apples", sequence=1, data={"n": 1, "colour": "зелёный"})
        publish(session, event)
    house.relay()
    assert list(house.queued(events_queue(house.service), 1)) == [event.to_bytes()]


def test_the_relay_counts_what_it_published_even_when_rows_are_gone(house: House) -> None:
    counted: list[PendingEvent] = []

    class Counter(Observer):
        def published(self, events: Sequence[PendingEvent]) -> None:
            counted.extend(events)

    house.relay(observer=Counter())
    for n in range(30):
        house.sell("apples", n)
    eventually(lambda: house.pending() == 0 and len(counted) == 30)
    with house.sessions.begin() as session:
        assert delete_published(session, older_than=timedelta(days=1)) == 0
        assert delete_published(session, older_than=timedelta(0)) == 30
        assert outbox_status(session).published_total == 30


def test_retention_passes_over_what_is_pending_however_much_it_is(house: House) -> None:
    with house.sessions.begin() as session:
        for n in range(1200):
            house.sell_in(session, f"shelf-{n}")
    with house.engine.begin() as connection:
        connection.execute(
            text("UPDATE outbox SET published_at = now() WHERE id > (SELECT min(id) + 1099 FROM outbox)")
        )
    with house.sessions.begin() as session:
        assert delete_published(session, older_than=timedelta(0)) == 100
        assert delete_published(session, older_than=timedelta(0)) == 0
    assert house.pending() == 1100


def test_a_lower_id_that_is_committed_late_is_still_fetched(house: House) -> None:
    with house.sessions() as slow:
        house.sell_in(slow, "slow")
        house.draw_ids(slow)
        house.sell("quick")
        with OutboxReader(house.database_url) as pending:
            (quick,) = pending.fetch(10, max_bytes=1000_000, besides=[])
            slow.commit()
            assert [e.subject for e in pending.fetch(10, max_bytes=1000_000, besides=[quick.id])] == ["slow"]
