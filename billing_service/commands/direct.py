"""Statements of the hot path."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import CursorResult, TextClause
from sqlalchemy.orm import Session


def execute(session: Session, statement: TextClause, values: Mapping[str, Any]) -> CursorResult[*tuple[Any, ...]]:
    """Run a statement in the session's transaction, but past the session.

    The session would first write the events published so far to the outbox, a few before every statement; left alone
    it writes those of a whole batch at once before the commit. Only for statements that need nothing still unwritten.
    """
    return session.connection().execute(statement, dict(values))
