"""The dead letters of a service: what could not be handled, why, and what people decide about it.

They are rows of the events in trouble (`messaging.held`). Whoever decides (a page, REST, the command line) changes
their state; the consumer handles what is to be replayed.

    decisions.py  a person's side: replay, edit and replay, discard
    outcomes.py   what became of letters that were replayed
    gradual.py    a replay of many that begins with one, and stops when letters die again
    search.py     letters by a field of their events
    notes.py      what people write about a group
    trial.py      what a replay would do, undone at once
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
        count_dead,
        decide,
        decide_all,
        replay_edited,
        retry_one,
        retry_waiting,
    )
    from messaging.dead_letters.gradual import (
        GradualReplayView,
        Progress,
        latest_gradual_replay,
        replay_gradually,
        stop_gradual_replay,
    )
    from messaging.dead_letters.notes import group_notes, write_note
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
    from messaging.dead_letters.search import FieldIs
    from messaging.dead_letters.trial import Trial, Verdict, try_out
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
    "FieldIs",
    "GradualReplayView",
    "Outcome",
    "OutcomeCounts",
    "Progress",
    "RecentDecision",
    "Selection",
    "State",
    "Trial",
    "Verdict",
    "count_dead",
    "count_dead_letters",
    "dead_letter_groups",
    "decide",
    "decide_all",
    "delete_closed",
    "group_notes",
    "latest_gradual_replay",
    "list_dead_letters",
    "read_dead_letter",
    "recent_decisions",
    "replay_edited",
    "replay_gradually",
    "retry_one",
    "retry_waiting",
    "stop_gradual_replay",
    "try_out",
    "write_note",
]

__getattr__ = importer(__name__, __file__)
