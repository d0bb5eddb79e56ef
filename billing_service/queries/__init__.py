"""What pages and the API show of money, and whether the books balance. No list asks the database once per row."""

from billing_service.queries.accounts import AccountView, account, accounts
from billing_service.queries.days import (
    IncomeOfDay,
    current_day,
    day,
    days,
    days_to_confirm,
    first_open_day,
    income,
    income_of,
    last_closed_day,
    robot_run,
)
from billing_service.queries.entries import EntryView, day_of_log, entries, prices
from billing_service.queries.payouts import PayoutView, letter_is_due, payout_letter, payouts
from billing_service.queries.reports import DayReport, Due, ReportLine, day_report, due_payouts, statements
from billing_service.queries.rules import pricing_rules
from billing_service.queries.summary import Books, books, letters_in_trouble, needs_of_person
from billing_service.queries.trace import steps_of_events
from billing_service.queries.verify import Problem, verify, verify_day

__all__ = [
    "AccountView",
    "Books",
    "DayReport",
    "Due",
    "EntryView",
    "IncomeOfDay",
    "PayoutView",
    "Problem",
    "ReportLine",
    "account",
    "accounts",
    "books",
    "current_day",
    "day",
    "day_of_log",
    "day_report",
    "days",
    "days_to_confirm",
    "due_payouts",
    "entries",
    "first_open_day",
    "income",
    "income_of",
    "last_closed_day",
    "letter_is_due",
    "letters_in_trouble",
    "needs_of_person",
    "payout_letter",
    "payouts",
    "prices",
    "pricing_rules",
    "robot_run",
    "statements",
    "steps_of_events",
    "verify",
    "verify_day",
]
