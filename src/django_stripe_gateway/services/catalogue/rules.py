"""What a plan and its prices cannot be together, in a file or in the admin's forms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from django_stripe_gateway.choices import MOST_TRIAL_DAYS

if TYPE_CHECKING:
    from django_stripe_gateway.models import Plan, PlanLimit, PlanPricing
    from django_stripe_gateway.services.catalogue.entries import LimitEntry, PlanEntry, PriceEntry

    AnyPlan = PlanEntry | Plan
    AnyPrice = PriceEntry | PlanPricing
    AnyLimit = LimitEntry | PlanLimit

#: The name of a field, and what is wrong with it.
Fault = tuple[str, str]
METERED = "metered"

# What Stripe refuses beyond (https://docs.stripe.com/api/prices/create, /products/create, /subscriptions/create).
MOST_INTERVALS = {"day": 1095, "week": 156, "month": 36, "year": 3}
MOST_CHARACTERS = 40_000


def faults_of_plan(plan: AnyPlan) -> Iterator[Fault]:
    """Yield what a plan cannot be at once."""
    if plan.is_default and not plan.is_active:
        yield "is_default", _("The default plan must be active.")
    if plan.is_default and plan.is_add_on:
        yield "is_default", _("An add-on cannot be the default plan.")
    if plan.is_add_on and not plan.auto_renew:
        yield "auto_renew", _("An add-on renews with the plan that it was added to.")
    if len(plan.description) > MOST_CHARACTERS:
        yield "description", _("A description has %(most)d characters at most.") % {"most": MOST_CHARACTERS}


def faults_of_price(price: AnyPrice, plan: AnyPlan, *, is_sold: bool = True) -> Iterator[Fault]:
    """Yield what a price of a plan, or of an add-on, cannot be at once.

    Args:
        is_sold: ``False`` for one that is archived: how nobody can buy it any more need not be right.
    """
    is_metered = price.usage_type == METERED
    most = MOST_INTERVALS.get(price.interval, 0)
    if price.interval_count > most:
        yield "interval_count", _("A price covers three years at most: %(most)d of these intervals.") % {"most": most}
    if price.trial_days > MOST_TRIAL_DAYS:
        yield "trial_days", _("A trial has %(most)d days at most.") % {"most": MOST_TRIAL_DAYS}
    if is_metered and not price.metric:
        yield "metric", _("A metered price needs a metric.")
    if price.metric and not is_metered:
        yield "metric", _("Only a metered price has a metric.")
    if is_metered and price.is_per_seat:
        yield "is_per_seat", _("A metered price is charged by use, not per seat.")
    if not is_sold:
        return
    if plan.is_add_on and price.trial_days:
        yield "trial_days", _("An add-on has no trial: its plan has.")
    if not plan.auto_renew and price.trial_days:
        yield "trial_days", _("A plan that does not renew has no trial: it ends after the one period that is paid.")
    if price.is_default and not price.is_public:
        yield "is_default", _("The default price must be public.")
    if price.may_be_added and not price.is_public:
        yield "may_be_added", _("Customers can add public prices only.")
    if price.may_be_added and not (plan.is_add_on or is_metered):
        yield "may_be_added", _("Customers can add add-ons and metered prices only.")


def faults_of_limit(limit: AnyLimit) -> Iterator[Fault]:
    """Yield what a limit cannot be at once."""
    if limit.is_per_unit and limit.limit is None:
        yield "is_per_unit", _("What has no limit has none for each unit.")


def faults_between_prices(prices: Iterable[AnyPrice]) -> Iterator[str]:
    """Yield what prices of one plan that one account sells cannot be together."""
    prices = list(prices)
    defaults = Counter(price.currency for price in prices if price.is_default)
    for currency in (currency for currency, count in defaults.items() if count > 1):
        yield _("Only one price in %(currency)s can be the default.") % {"currency": currency}
    keys = Counter(price.lookup_key for price in prices if price.lookup_key)
    for key in (key for key, count in keys.items() if count > 1):
        yield _("Only one price can have the lookup key %(key)s.") % {"key": key}
