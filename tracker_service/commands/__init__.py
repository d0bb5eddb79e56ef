"""What can be done with tasks. The caller owns the transaction; nothing here commits."""

from tracker_service.commands.draw import close_the_draw, is_first_to_assign
from tracker_service.commands.money import (
    Holding,
    Posting,
    Prices,
    note_balances,
    note_carried_debt,
    note_closed_day,
    note_movements,
    note_prices,
)
from tracker_service.commands.news import read_news
from tracker_service.commands.reassignments import (
    BATCH,
    ask_again,
    give_away_waiting_tasks,
    give_lost_turn,
    reassign_batch,
    request_reassignment,
    take_tasks_from,
)
from tracker_service.commands.tasks import complete_task, create_task, update_task

__all__ = [
    "BATCH",
    "Holding",
    "Posting",
    "Prices",
    "ask_again",
    "close_the_draw",
    "complete_task",
    "create_task",
    "give_away_waiting_tasks",
    "give_lost_turn",
    "is_first_to_assign",
    "note_balances",
    "note_carried_debt",
    "note_closed_day",
    "note_movements",
    "note_prices",
    "read_news",
    "reassign_batch",
    "request_reassignment",
    "take_tasks_from",
    "update_task",
]
