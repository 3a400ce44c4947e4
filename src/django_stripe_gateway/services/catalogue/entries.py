"""What a catalogue should hold: plans with their prices and limits, as a file or a command names them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django_stripe_gateway.choices import LimitPeriod, PlanInterval
from django_stripe_gateway.services.catalogue.rows import exact_amount

# A day's worth of the free plan.
FREE_MINUTES = 180
FREE_MEGABYTES = 300


@dataclass(frozen=True, slots=True)
class PriceEntry:
    """One price; ``amount`` is in the currency's units for each ``interval_count`` intervals."""

    amount: Decimal
    currency: str
    interval: str = PlanInterval.MONTH
    interval_count: int = 1
    trial_days: int = 0
    is_per_seat: bool = False

    @property
    def every(self) -> tuple[str, str, int]:
        """In which currency, and how often, it is charged."""
        return self.currency, self.interval, self.interval_count


@dataclass(frozen=True, slots=True)
class LimitEntry:
    """How many of ``metric`` a plan allows in each period, ``None`` for no limit."""

    metric: str
    limit: int | None
    period: str = LimitPeriod.DAY


@dataclass(frozen=True, slots=True)
class PlanEntry:
    """One plan.

    Args:
        is_complete: it is all that there should be: other prices and limits go, and what was edited is set back. Else
            a plan that exists keeps what it has, and only its price in the same currency and interval is replaced.
    """

    slug: str
    name: str
    description: str = ""
    auto_renew: bool = True
    is_default: bool = False
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
        return (PriceEntry(exact_amount(amount, currency), currency, interval),)

    limits = (LimitEntry("minutes", FREE_MINUTES), LimitEntry("megabytes", FREE_MEGABYTES))
    return [
        PlanEntry("free", "Free", is_default=True, prices=price(free_amount, PlanInterval.MONTH), limits=limits),
        PlanEntry(
            "day-pass", "Day Pass", auto_renew=False, position=1, prices=price(day_pass_amount, PlanInterval.DAY)
        ),
        PlanEntry("premium", "Premium", position=2, prices=price(premium_amount, PlanInterval.MONTH)),
    ]
