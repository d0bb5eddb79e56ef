"""The dead letters of a service: what could not be handled, why, and what people decide about it.

They are rows of the events in trouble (`messaging.held`). Whoever decides (a page, REST, the command line) changes
their state; the consumer handles what is to be replayed.

    decisions.py  a person's side: replay, edit and replay, discard
    outcomes.py   what became of letters that were replayed
    reading.py    lists, groups and single letters as people read them
    retention.py  letters that are done with, after a long time
    mirror.py     keeps the queue `<service>.dead` in line, which the management console shows
    mirrored.py   what the table says about that queue
    messages.py   a letter as a message of that queue
    rules.py      labels, headers, what an edited event keeps
"""

from typing import TYPE_CHECKING

from messaging.lazily import importer

if TYPE_CHECKING:
    from messaging.dead_letters.decisions import (
        Actor,
        Decision,
        Selection,
        decide,
        decide_all,
        replay_edited,
        retry_waiting,
    )
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
    from messaging.dead_letters.retention import delete_closed
    from messaging.held.states import LIVING, OPEN, STATE_FILTERS, Action, State


__all__ = [
    "LIVING",
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
    "list_dead_letters",
    "read_dead_letter",
    "recent_decisions",
    "replay_edited",
    "retry_waiting",
]

__getattr__ = importer(
    __name__,
    {
        "messaging.dead_letters.decisions": (
            "Actor",
            "Decision",
            "Selection",
            "decide",
            "decide_all",
            "replay_edited",
            "retry_waiting",
        ),
        "messaging.dead_letters.outcomes": ("Outcome", "OutcomeCounts"),
        "messaging.dead_letters.reading": (
            "DeadLetterGroup",
            "DeadLetterStory",
            "DeadLetterView",
            "RecentDecision",
            "count_dead_letters",
            "dead_letter_groups",
            "list_dead_letters",
            "read_dead_letter",
            "recent_decisions",
        ),
        "messaging.dead_letters.retention": ("delete_closed",),
        "messaging.held.states": ("LIVING", "OPEN", "STATE_FILTERS", "Action", "State"),
    },
)
