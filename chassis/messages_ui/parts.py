"""The blueprint of the pages about messages, and how long they look after what was decided."""

from datetime import datetime, timedelta

from flask import Blueprint

from chassis.db import utc_now

messages_pages = Blueprint("messages_pages", __name__, url_prefix="/messages")

#: For so long after a decision the pages refresh themselves; then there is a link.
WATCHED = timedelta(minutes=2)


def is_recent(moment: datetime, age: timedelta) -> bool:
    """Tell whether the moment is no longer ago than this."""
    return utc_now() - moment < age
