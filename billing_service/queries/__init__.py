"""What pages and the API show of money, and whether the books balance. No list asks the database once per row."""

from billing_service.queries.accounts import AccountView, account, accounts
from billing_service.queries.days import (
    DayReport,
    IncomeOfDay,
    ReportLine,
    current_day,
    day,
    day_report,
    days,
    income,
    income_of,
    last_closed_day,
    open_days_before,
    robot_run,
)
from billing_service.queries.entries import EntryView, day_of_log, entries, prices
from billing_service.queries.payouts import PayoutView, payout_letter, payouts
from billing_service.queries.rules import pricing_rules
from billing_service.queries.verify import Problem, verify, verify_day

__all__ = [
    "AccountView",
    "DayReport",
    "EntryView",
    "IncomeOfDay",
    "PayoutView",
    "Problem",
    "ReportLine",
    "account",
    "accounts",
    "current_day",
    "day",
    "day_of_log",
    "day_report",
    "days",
    "entries",
    "income",
    "income_of",
    "last_closed_day",
    "open_days_before",
    "payout_letter",
    "payouts",
    "prices",
    "pricing_rules",
    "robot_run",
    "verify",
    "verify_day",
]
