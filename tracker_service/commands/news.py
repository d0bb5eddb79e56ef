"""Reading one's news."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from tracker_service.models import NEWS_FOR, NewsRead


def read_news(session: Session, user_id: UUID, *, until: datetime, now: datetime) -> None:
    """Note that somebody has read their news until this moment. An older page that is sent later takes nothing back.

    Whatever moment is sent, one is kept that may have been on a page: none in the future, none before the oldest news.
    """
    row = insert(NewsRead).values(user_id=user_id, until=min(max(until, now - NEWS_FOR), now))
    newest = func.greatest(NewsRead.until, row.excluded.until)
    session.execute(row.on_conflict_do_update(index_elements=["user_id"], set_={"until": newest}))
