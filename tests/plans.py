"""How Postgres carries out what a function asks it."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from chassis.db import Database


class Plans:
    """The plans of the statements that were asked, taken together."""

    def __init__(self) -> None:
        #: The indexes that are used.
        self.indexes: set[str] = set()
        #: The tables that are read from end to end.
        self.scanned: set[str] = set()
        #: Every step.
        self.nodes: list[dict[str, Any]] = []

    def add(self, node: dict[str, Any]) -> None:
        """Take in a node of a plan, with those below it."""
        self.nodes.append(node)
        if "Index Name" in node:
            self.indexes.add(node["Index Name"])
        if node["Node Type"] == "Seq Scan":
            self.scanned.add(node["Relation Name"])
        for below in node.get("Plans", []):
            self.add(below)


def plans_of(database: Database, ask: Callable[[Session], object]) -> Plans:
    """Return the plans of all statements by which the function asks; what it changes is rolled back."""
    plans = Plans()
    with _statements(database.engine) as statements, database.sessions() as session:
        ask(session)
        session.flush()
        cursor = session.connection().connection.cursor()
        for statement, parameters in list(statements):
            cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}", parameters)
            ((answer,),) = cursor.fetchall()
            (explained,) = json.loads(answer) if isinstance(answer, str) else answer
            plans.add(explained["Plan"])
        session.rollback()
    return plans


@contextmanager
def _statements(engine: Engine) -> Iterator[list[tuple[str, Any]]]:
    found: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        found.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(engine, "before_cursor_execute", note)
