"""An account begins when somebody is heard of for the first time, be it by a task before a registration."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from billing_service import events
from billing_service.commands.books import Books
from billing_service.models import EMPLOYEE, Account
from messaging import publish


def open_account_at_first_sight(session: Session, books: Books, user_id: UUID) -> bool:
    """Open the employee's account unless there is one; return whether there was none."""
    new = insert(Account).values(kind=EMPLOYEE, user_id=user_id, balance_cents=0, opened_on=books.day, version=1)
    opened = session.scalar(new.on_conflict_do_nothing(index_elements=["user_id"]).returning(Account.id))
    if opened is None:
        return False
    publish(session, events.account_opened(opened, user_id, sequence=1, opened_at=books.now))
    return True
