"""What a catalogue should hold: plans with their prices and limits, as a file or a command names them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django_stripe_gateway.choices import LimitPeriod, PlanInterval, PriceUsage
from django_stripe_gateway.models import PlanPricing
from django_stripe_gateway.services.catalogue.rows import exact_amount

# A day's worth of the free plan.
FREE_MINUTES = 180
FREE_MEGABYTES = 300


@dataclass(frozen=True, slots=True)
class PriceEntry:
    """One price; ``amount`` is in the currency's units for each ``interval_count`` intervals.

    Args:
        metric: what a metered price counts.
        is_default: taken where no price of the plan and its currency is named.
        may_be_added: customers add it to their subscription, and remove it, themselves.
    """

    amount: Decimal
    currency: str
    interval: str = PlanInterval.MONTH
    interval_count: int = 1
    usage_type: str = PriceUsage.LICENSED
    metric: str = ""
    trial_days: int = 0
    is_per_seat: bool = False
    is_default: bool = False
    is_public: bool = True
    may_be_added: bool = False
    lookup_key: str = ""

    @property
    def every(self) -> tuple[str, ...]:
        """In which currency, how often and for what it is charged: of prices that agree in that, one is sold."""
        return every_of(self)


def every_of(price: PriceEntry | PlanPricing) -> tuple[str, ...]:
    """Return in which currency, how often and for what a price is charged."""
    return price.currency, price.interval, str(price.interval_count), price.usage_type, price.metric


@dataclass(frozen=True, slots=True)
class LimitEntry:
    """How many of ``metric`` a plan allows in each period, ``None`` for no limit, or for each seat or unit."""

    metric: str
    limit: int | None
    period: str = LimitPeriod.DAY
    is_per_unit: bool = False


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One plan.

    Args:
        is_complete: it is all that there should be: other prices and limits go, and what was edited is set back. Else
            a plan that exists keeps what it has, and only its price in the same currency and interval is replaced.
        is_add_on: it is sold beside a plan, in the same subscription.
    """

    slug: str
    name: str
    description: str = ""
    auto_renew: bool = True
    is_default: bool = False
    is_add_on: bool = False
    is_active: bool = True
    position: int = 0
    prices: tuple[PriceEntry, ...] = ()
    limits: tuple[LimitEntry, ...] = ()
    is_complete: bool = False


def standard_entries(
    *, day_pass_amount: Decimal, premium_amount: Decimal, free_amount: Decimal, currency: str
) -> list[PlanEntry]:
    """Return a catalogue to begin with: a day pass, a monthly plan, and a default plan with limits.

    Raises:
        InvalidAmount: an amount is negative, too large, or finer than the currency.
        UnsupportedCurrency: Stripe does not charge in the currency.
    """
    currency = currency.upper()

    def price(amount: Decimal, interval: str) -> tuple[PriceEntry, ...]:
        return (PriceEntry(exact_amount(amount, currency), currency, interval, is_default=True),)

    day_pass, premium = price(day_pass_amount, PlanInterval.DAY), price(premium_amount, PlanInterval.MONTH)
    free = price(free_amount, PlanInterval.MONTH)
    limits = (LimitEntry("minutes", FREE_MINUTES), LimitEntry("megabytes", FREE_MEGABYTES))
    # What a plan does not list it does not allow: whoever pays gets what the free plan counts, and without limit.
    unlimited = tuple(LimitEntry(limit.metric, None) for limit in limits)
    return [
        PlanEntry("free", "Free", is_default=True, prices=free, limits=limits),
        PlanEntry("day-pass", "Day Pass", auto_renew=False, position=1, prices=day_pass, limits=unlimited),
        PlanEntry("premium", "Premium", position=2, prices=premium, limits=unlimited),
    ]
