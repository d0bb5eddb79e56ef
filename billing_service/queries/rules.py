"""The rules that prices are drawn by."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from billing_service.domain.pricing import PricingRules
from billing_service.models import Pricing


def pricing_rules(session: Session) -> PricingRules:
    """Return the rules for tasks yet to come."""
    row = session.execute(select(Pricing)).scalar_one()
    return PricingRules(
        fee_min_cents=row.fee_min_cents,
        fee_max_cents=row.fee_max_cents,
        reward_min_cents=row.reward_min_cents,
        reward_max_cents=row.reward_max_cents,
    )
