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
from billing_service.commands.movements import charge_fee, pay_reward, post_correction
from billing_service.commands.pricing import note_words, price_task, set_pricing_rules
from billing_service.commands.robot import finish_run, start_run

__all__ = [
    "Books",
    "Claim",
    "charge_fee",
    "claim_letter",
    "close_next_day",
    "finish_letter",
    "finish_run",
    "follow_user",
    "note_words",
    "open_books",
    "pay_reward",
    "post_correction",
    "price_task",
    "recover_letters",
    "send_letter_again",
    "send_letters_again",
    "set_pricing_rules",
    "start_run",
]
