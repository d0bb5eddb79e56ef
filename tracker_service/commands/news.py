"""Reading one's news."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from tracker_service.models import NewsRead


def read_news(session: Session, user_id: UUID, *, until: datetime, now: datetime) -> None:
    """Note that somebody has read their news until this moment. An older page that is sent later takes nothing back."""
    row = insert(NewsRead).values(user_id=user_id, until=min(until, now))
    newest = func.greatest(NewsRead.until, row.excluded.until)
    session.execute(row.on_conflict_do_update(index_elements=["user_id"], set_={"until": newest}))
