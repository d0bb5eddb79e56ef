"""An account begins when somebody is heard of for the first time, be it by a task before a registration."""

from collections.abc import Mapping
from contextlib import nullcontext
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books
from billing_service.commands.direct import execute
from messaging import Event, caused_by, publish

#: No conflict is possible: who opens accounts has the books open, and so nobody else does.
_OPEN = text(
    """
    INSERT INTO accounts (id, kind, user_id, status, balance_cents, opened_on, version)
    SELECT gen_random_uuid(), 'employee', new.user_id, 'open', 0, CAST(:day AS date), 1
    FROM unnest(CAST(:user_ids AS uuid[])) WITH ORDINALITY AS new (user_id, place)
    WHERE NOT EXISTS (SELECT FROM accounts WHERE accounts.user_id = new.user_id)
    ORDER BY place
    RETURNING id, user_id
    """
)


def open_accounts_at_first_sight(session: Session, books: Books, heard_of: Mapping[UUID, Event | None]) -> None:
    """Open an account for each of these employees who has none; `heard_of`: by which event each is known."""
    for row in execute(session, _OPEN, {"user_ids": [str(user_id) for user_id in heard_of], "day": books.day}):
        cause = heard_of[row.user_id]
        with nullcontext() if cause is None else caused_by(cause):
            publish(session, events.account_opened(row.id, row.user_id, sequence=1, opened_at=books.now))
