"""Billing: what tasks cost and earn, everyone's account, the ledger, and the end of the day.

Owns prices, accounts, the ledger, business days and payouts; keeps a replica of people and of the words of tasks.
Publishes task_priced, account_opened, account_closed, transaction_posted, balance_changed,
management_income_changed, payout_made, payout_failed, balance_carried, day_closed. Consumes auth's user events
and the tracker's task_created, task_updated, task_assigned, task_completed.
"""
