"""How Postgres carries out what a function asks it, in tables that have grown."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import md5
from typing import Any
from uuid import UUID

from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session

from chassis.db import Database
from chassis.paging import PageRequest
from chassis.settings import Settings
from tests.business_clock import owner_engine

_WITHOUT_PLAN = ("SAVEPOINT", "RELEASE", "ROLLBACK")

Ask = Callable[[Session], object]


@dataclass(frozen=True)
class HotQuery:
    """What is asked often: the indexes by which it is found, and the tables too large to be read from end to end."""

    ask: Ask
    indexes: set[str]
    large: set[str]
    #: The most rows that may be sorted; what comes in order from an index is not sorted at all.
    sorts: int = 0

    def check(self, database: Database) -> None:
        """Fail if Postgres would carry it out otherwise."""
        plans_of(database, self.ask).check(self.indexes, self.large, self.sorts)


class Plans:
    """The plans of the statements that were asked, taken together."""

    def __init__(self) -> None:
        #: The indexes that are used.
        self.indexes: set[str] = set()
        #: The tables that are read from end to end.
        self.scanned: set[str] = set()
        #: The most rows that any step sorts, as Postgres expects.
        self.sorted = 0

    def explain(self, cursor: Any, statement: str, parameters: Any) -> None:
        """Take in the plan of a statement, which is not carried out. Some are carried out without one: savepoints."""
        if statement.startswith(_WITHOUT_PLAN):
            return
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
        ((answer,),) = cursor.fetchall()
        (explained,) = json.loads(answer) if isinstance(answer, str) else answer
        self._add(explained["Plan"])

    def _add(self, node: dict[str, Any]) -> None:
        if "Index Name" in node:
            self.indexes.add(node["Index Name"])
        if node["Node Type"] == "Seq Scan":
            self.scanned.add(node["Relation Name"])
        for below in node.get("Plans", []):
            if node["Node Type"] == "Sort":
                self.sorted = max(self.sorted, below["Plan Rows"])
            self._add(below)

    def check(self, indexes: set[str], large: set[str], sorts: int) -> None:
        """Fail unless these indexes are used, none of these tables is read through, and no more is sorted."""
        assert self.indexes >= indexes
        assert not self.scanned & large
        assert self.sorted <= sorts


def plans_of(database: Database, ask: Ask) -> Plans:
    """Return the plans of all statements by which the function asks; what it changes is rolled back."""
    plans = Plans()
    with _statements(database.engine) as statements, database.sessions() as session:
        ask(session)
        session.flush()
        cursor = session.connection().connection.cursor()
        for statement, parameters in list(statements):
            plans.explain(cursor, statement, parameters)
        session.rollback()
    return plans


def second_page(ask: Callable[[Session, PageRequest], Any]) -> Ask:
    """Ask for a list with a cursor in it, which is another statement than that of the first page."""

    def both(session: Session) -> None:
        first = ask(session, PageRequest())
        assert first.next_cursor
        ask(session, PageRequest(cursor=first.next_cursor))

    return both


def fill(settings: Settings, *statements: str) -> None:
    """Fill the tables as their owner does, and let Postgres look at what is in them, as it does by itself in time."""
    engine = owner_engine(settings).execution_options(isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        # Of rows whose commit is not on disk yet Postgres would not note that everybody sees them.
        for statement in ("SET synchronous_commit = on", *statements, "VACUUM ANALYZE"):
            connection.execute(text(statement))
    engine.dispose()


def id_of(name: str) -> UUID:
    """Return the id that SQL makes of a name by `md5(name)::uuid`."""
    return UUID(md5(name.encode(), usedforsecurity=False).hexdigest())


@contextmanager
def _statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    found: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        found.append((statement, parameters[0] if many else parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)
