"""What a task costs whoever gets it, and earns who completes it."""

from dataclasses import astuple, dataclass
from random import Random

from billing_service.errors import N_, InvalidPricingRules

#: A price above this is a slip of the pen.
MAX_PRICE_CENTS = 1_000_000

_NO_PRICE = N_("A price is between $0.01 and $10,000.00.")
_FEES_UPSIDE_DOWN = N_("The highest fee is below the lowest.")
_REWARDS_UPSIDE_DOWN = N_("The highest reward is below the lowest.")


@dataclass(frozen=True, kw_only=True)
class PricingRules:
    """The ranges that prices are drawn from, in cents, both ends included."""

    fee_min_cents: int = 1_000
    fee_max_cents: int = 2_000
    reward_min_cents: int = 2_000
    reward_max_cents: int = 4_000


@dataclass(frozen=True)
class Prices:
    """The prices of one task, drawn once and never changed."""

    #: Charged for every assignment.
    fee_cents: int
    #: Paid for the completion.
    reward_cents: int


def draw_prices(rules: PricingRules, random: Random) -> Prices:
    """Draw both prices, every cent of a range as likely as any other."""
    return Prices(
        fee_cents=random.randint(rules.fee_min_cents, rules.fee_max_cents),
        reward_cents=random.randint(rules.reward_min_cents, rules.reward_max_cents),
    )


def check(rules: PricingRules) -> None:
    """Raise InvalidPricingRules for a price that is none and for a range that is upside down."""
    found = {
        name: [_NO_PRICE]
        for name, cents in zip(PricingRules.__dataclass_fields__, astuple(rules), strict=True)
        if not 1 <= cents <= MAX_PRICE_CENTS
    }
    if not found and rules.fee_min_cents > rules.fee_max_cents:
        found["fee_max_cents"] = [_FEES_UPSIDE_DOWN]
    if not found and rules.reward_min_cents > rules.reward_max_cents:
        found["reward_max_cents"] = [_REWARDS_UPSIDE_DOWN]
    if found:
        raise InvalidPricingRules(found)
