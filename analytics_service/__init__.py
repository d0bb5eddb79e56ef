"""Figures for the management: income, accounts below zero, the most expensive tasks.

Owns nothing but conclusions from the events of others, so its tables can be emptied and rebuilt from history.
Publishes nothing. Consumes auth's user events, the tracker's task_created and task_updated, and billing's
transaction_posted, balance_changed, management_income_changed and day_closed.
"""
