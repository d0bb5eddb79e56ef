"""The pages of billing. They call the same commands and queries as the API."""

from billing_service.ui import accounts, days, payouts, rules
from billing_service.ui.frame import PLACES, pages

__all__ = ["PLACES", "accounts", "days", "pages", "payouts", "rules"]
