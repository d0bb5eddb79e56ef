"""Dead letters of the tracker without a broker: how they come to be, and the people who decide about them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

from chassis.settings import Settings
from messaging import Event, PermanentError
from messaging.dead_letters import State, list_dead_letters
from messaging.envelope import CONTENT_TYPE
from messaging.errors import SchemaInvalid
from messaging.held import die
from messaging.received import HeldRow
from messaging.transport import Delivery
from tests.integration.tracker_house import House

LETTERS = "/messages/dead-letters"
PRICED = "billing.task_priced.v1"


@contextmanager
def opened(migrated: Callable[..., Settings]) -> Iterator[House]:
    """Open a tracker that knows no other service."""
    house = House(migrated("tracker", ATES_URL_AUTH="http://127.0.0.1:1"))
    yield house
    house.close()


def priced(**changes: Any) -> Event:
    data = {"task_id": str(uuid4()), "fee_cents": 1500, "reward_cents": 2500, "priced_at": "2026-11-21T05:00:00Z"}
    return Event.new(PRICED, subject=str(uuid4()), sequence=1, data=data | changes)


def bury(
    house: House, body: bytes, error: PermanentError | None = None, type: str = PRICED, row_id: UUID | None = None
) -> UUID:
    """Let the message die, or die again in this row."""
    delivery = Delivery(
        tag=1,
        connection=1,
        body=body,
        content_type=CONTENT_TYPE,
        routing_key=type,
        message_id=str(uuid4()),
        type=type,
        app_id="billing",
        correlation_id=str(uuid4()),
        timestamp=1_763_700_000,
        headers={"subject": "x", "sequence": 1},
        redelivered=False,
        user_id="billing",
    )
    with house.database.transaction() as session:
        error = error or SchemaInvalid("data.fee_cents: 'many' is not of type 'integer'")
        row = HeldRow(row_id, 0, suspected=False, aggregate=None, delivery=delivery) if row_id else None
        letter_id = die(session, delivery, row, error, attempts=1, line=None)
        assert letter_id is not None
        return letter_id


def states(house: House) -> dict[UUID, State]:
    with house.database.reading() as session:
        return {letter.id: letter.state for letter in list_dead_letters(session, limit=1000, states=list(State))}
