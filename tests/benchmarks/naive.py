"""What most first versions do: poll the outbox; a confirm, a mark and a commit for every message."""

import time
from collections.abc import Callable
from uuid import UUID

import pika
import psycopg2
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from chassis.db import engine_url
from messaging import Event
from messaging.topology import events_queue
from tests.benchmarks.shop import BOOKKEEPER, EXCHANGE, REGISTRY, Shop, book

#: Seconds between two looks into the outbox.
POLL = 0.1


def publish_outbox(shop: Shop, *, for_ever: bool) -> None:
    """Publish what is pending, one confirm and one update each; then end, or look again ten times a second."""
    connection = psycopg2.connect(shop.shop_url)
    connection.autocommit = True
    cursor = connection.cursor()
    with pika.BlockingConnection(pika.URLParameters(shop.amqp_url)) as rabbit:
        channel = rabbit.channel()
        channel.confirm_delivery()
        while True:
            cursor.execute(
                "SELECT id, type, event_id::text, body FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT 100"
            )
            rows = cursor.fetchall()
            if not rows and not for_ever:
                break
            for row_id, type_, event_id, body in rows:
                properties = pika.BasicProperties(delivery_mode=2, message_id=event_id, type=type_)
                channel.basic_publish(EXCHANGE, type_, bytes(body), properties, mandatory=True)
                cursor.execute("UPDATE outbox SET published_at = now() WHERE id = %s", (row_id,))
            if not rows:
                time.sleep(POLL)
    connection.close()


def run_relay(shop: Shop) -> None:
    """Publish for ever."""
    publish_outbox(shop, for_ever=True)


def handle_events(
    shop: Shop, count: int | None = None, on_committed: Callable[[UUID], None] = lambda event_id: None
) -> None:
    """Handle so many events, or all there will ever be: validate, look into the inbox, handle, commit, ack."""
    engine = create_engine(engine_url(shop.bookkeeper_url))
    with pika.BlockingConnection(pika.URLParameters(shop.amqp_url)) as rabbit:
        channel = rabbit.channel()
        channel.basic_qos(prefetch_count=100)
        for handled, (method, _, body) in enumerate(channel.consume(events_queue(BOOKKEEPER)), start=1):
            event = Event.from_bytes(body)
            REGISTRY.validate(event)
            with Session(engine) as session, session.begin():
                if _is_new(session, event.id):
                    book(session, event)
            on_committed(event.id)
            channel.basic_ack(method.delivery_tag)
            if handled == count:
                break
        channel.cancel()
    engine.dispose()


def _is_new(session: Session, event_id: UUID) -> bool:
    if session.scalar(text("SELECT 1 FROM inbox WHERE event_id = :id"), {"id": event_id}):
        return False
    session.execute(text("INSERT INTO inbox (event_id) VALUES (:id)"), {"id": event_id})
    return True
