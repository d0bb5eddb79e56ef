"""The lines in which events of one aggregate wait: who stands in them, whose turn it is, and who follows."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Text, Uuid, bindparam, text
from sqlalchemy.orm import Session

from messaging.held.rows import messages_held_back, row_ids, same_message
from messaging.received import Received
from messaging.tables import IN_LINE

#: Any number will do that nothing else in the service's database locks.
_LOCK = 0x0B0C5_0004

# One statement for four questions: each of the others would cost every batch a way to the database. Who stands in the
# lines is asked only when anybody does.
_LOOK_UP = text(f"""
    (SELECT 'line', id FROM held_message WHERE aggregate = ANY(CAST(:aggregates AS text[])) AND ({IN_LINE}) LIMIT 1)
    UNION ALL
    SELECT 'held', id FROM held_message WHERE id = ANY(CAST(:event_ids AS uuid[]))
    UNION ALL
    SELECT 'living', id FROM held_message
     WHERE id = ANY(CAST(:row_ids AS uuid[])) AND state IN ('waiting', 'blocked', 'replay_requested')
    UNION ALL
    SELECT 'replay', run FROM replay
""").bindparams(  # noqa: S608 (a constant)
    bindparam("aggregates", type_=ARRAY(Text)),
    bindparam("event_ids", type_=ARRAY(Uuid)),
    bindparam("row_ids", type_=ARRAY(Uuid)),
)

_LINES = text(f"""
    SELECT line.id, aggregate, sequence
      FROM unnest(CAST(:aggregates AS text[]), CAST(:depths AS integer[])) AS wanted (name, depth)
      CROSS JOIN LATERAL (
        SELECT id, aggregate, sequence FROM held_message
         WHERE aggregate = wanted.name AND ({IN_LINE}) ORDER BY sequence, position LIMIT wanted.depth
    ) AS line
""").bindparams(  # noqa: S608 (a constant)
    bindparam("aggregates", type_=ARRAY(Text)), bindparam("depths", type_=ARRAY(Integer))
)

_RELEASE = text(f"""
    UPDATE held_message SET state = 'waiting', due_at = now()
      FROM unnest(CAST(:aggregates AS text[])) AS wanted CROSS JOIN LATERAL (
        SELECT id FROM held_message WHERE aggregate = wanted AND ({IN_LINE}) ORDER BY sequence, position LIMIT 1
      ) AS head
     WHERE held_message.id = head.id AND state = 'blocked'
""").bindparams(bindparam("aggregates", type_=ARRAY(Text)))  # noqa: S608 (a constant)


@dataclass(frozen=True)
class Standing:
    """What the database says about a batch before it is handled."""

    #: By aggregate, the first rows of its line: row id -> sequence. Empty where nobody waits.
    lines: dict[str, dict[UUID, int]] = field(default_factory=dict)
    #: Copies of what is held, by the tags of their deliveries.
    copies: frozenset[int] = frozenset()
    #: Rows of the batch whose message is to be handled still.
    living: frozenset[UUID] = frozenset()
    #: Whether any row has to do with the batch.
    touched: bool = False
    #: The run of the replay that is under way, for which others are to pause.
    replay: UUID | None = None


class Places(NamedTuple):
    """Whose turn it is, and who has to wait behind an earlier event of the aggregate."""

    turn: list[Received]
    behind: list[Received]


def look_up(session: Session, batch: Sequence[Received]) -> Standing:
    """Return how the events of a batch stand."""
    rows = [received.row.id for received in batch if received.row]
    arrived = [received for received in batch if received.row is None]
    asked = {
        "aggregates": list({received.aggregate for received in batch}),
        "event_ids": [received.event.id for received in arrived],
        "row_ids": rows,
    }
    found: dict[str, set[UUID]] = {"line": set(), "held": set(), "living": set(), "replay": set()}
    for what, key in session.execute(_LOOK_UP, asked):
        found[what].add(key)
    return Standing(
        lines=_lines(session, batch) if found["line"] else {},
        copies=_copies(session, [received for received in arrived if received.event.id in found["held"]]),
        living=frozenset(found["living"]),
        touched=bool(found["line"] or found["held"] or rows),
        replay=next(iter(found["replay"]), None),
    )


def take_places(batch: Sequence[Received], lines: dict[str, dict[UUID, int]]) -> Places:
    """Tell whose turn it is, in the order of the batch; who comes to its turn leaves its line in `lines`."""
    places = Places([], [])
    for received in batch:
        line = lines.get(received.aggregate)
        if not line:
            places.turn.append(received)
        elif any(sequence < received.event.sequence for key, sequence in line.items() if key != received.key):
            line[received.key] = received.event.sequence
            places.behind.append(received)
        else:
            line.pop(received.key, None)
            places.turn.append(received)
    return places


def lock_lines(session: Session) -> None:
    """Wait for others who change lines, and let none do so before the end of this transaction.

    So the later of two who change a line at once sees what the earlier one has left. Before any row of a line is
    changed, or two could wait for each other.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})


def release(session: Session, aggregates: Collection[str]) -> None:
    """Let who is now at the head of these lines, and blocked, be handled at once. After `lock_lines`, at last."""
    if aggregates:
        session.flush()
        session.execute(_RELEASE, {"aggregates": list(aggregates)})


def _lines(session: Session, batch: Sequence[Received]) -> dict[str, dict[UUID, int]]:
    """Return of each line those that may be of the batch itself, and the first one besides."""
    depths = Counter(received.aggregate for received in batch)
    asked = {"aggregates": list(depths), "depths": [count + 1 for count in depths.values()]}
    lines: dict[str, dict[UUID, int]] = {}
    for key, aggregate, sequence in session.execute(_LINES, asked):
        lines.setdefault(aggregate, {})[key] = sequence
    return lines


def _copies(session: Session, likely: Sequence[Received]) -> frozenset[int]:
    held_back = messages_held_back(session, {key for received in likely for key in row_ids(received.delivery)})
    return frozenset(received.delivery.tag for received in likely if same_message(received.delivery) in held_back)
