"""What can be done with money. The caller owns the transaction; nothing here commits.

Whatever touches accounts, days or the ledger opens the books first, which lets one transaction in at a time.
"""

from billing_service.commands.accounts import follow_user
from billing_service.commands.books import Books, open_books
from billing_service.commands.closing import close_next_day
from billing_service.commands.letters import (
    Claim,
    claim_letter,
    finish_letter,
    recover_letters,
    send_letter_again,
    send_letters_again,
)
from billing_service.commands.movements import post_correction, post_for_tasks
from billing_service.commands.posting import Movement
from billing_service.commands.pricing import Words, note_words, price_tasks, set_pricing_rules
from billing_service.commands.robot import finish_run, start_run

__all__ = [
    "Books",
    "Claim",
    "Movement",
    "Words",
    "claim_letter",
    "close_next_day",
    "finish_letter",
    "finish_run",
    "follow_user",
    "note_words",
    "open_books",
    "post_correction",
    "post_for_tasks",
    "price_tasks",
    "recover_letters",
    "send_letter_again",
    "send_letters_again",
    "set_pricing_rules",
    "start_run",
]
