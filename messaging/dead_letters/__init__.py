"""The dead letters of a service: what could not be handled, why, and what people decide about it.

The row in the database is the record, its twin in the queue `<service>.dead` is what the management console shows.
Whoever decides (a page, REST, the command line) only writes the decision down; `messaging.desk` carries it out.

    rules.py      states and what becomes of a message, without a database
    record.py     the consumer's side: a message died
    decisions.py  a person's side: replay, edit and replay, discard
    orders.py     the desk's side: what is decided and not done yet, and what the queue should hold
    messages.py   a letter as a message, dead or alive
    outcomes.py   what became of letters that were replayed
    reading.py    lists, groups and single letters as people read them
    retention.py  letters that are done with, after a long time
"""

from messaging.dead_letters.decisions import Actor, Decision, Selection, decide, decide_all, replay_edited
from messaging.dead_letters.outcomes import Outcome, OutcomeCounts
from messaging.dead_letters.reading import (
    DeadLetterGroup,
    DeadLetterStory,
    DeadLetterView,
    RecentDecision,
    count_dead_letters,
    dead_letter_groups,
    list_dead_letters,
    read_dead_letter,
    recent_decisions,
)
from messaging.dead_letters.record import letter_ids, record_dead_letter
from messaging.dead_letters.retention import delete_closed
from messaging.dead_letters.rules import OPEN, STATE_FILTERS, Action, State

__all__ = [
    "OPEN",
    "STATE_FILTERS",
    "Action",
    "Actor",
    "DeadLetterGroup",
    "DeadLetterStory",
    "DeadLetterView",
    "Decision",
    "Outcome",
    "OutcomeCounts",
    "RecentDecision",
    "Selection",
    "State",
    "count_dead_letters",
    "dead_letter_groups",
    "decide",
    "decide_all",
    "delete_closed",
    "letter_ids",
    "list_dead_letters",
    "read_dead_letter",
    "recent_decisions",
    "record_dead_letter",
    "replay_edited",
]
