"""Which price is sold: the one that is named, or else the one that nothing leaves in doubt. None is guessed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django_stripe_gateway.adapter import get_adapter, wrong_answer
from django_stripe_gateway.choices import PriceUsage
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import Plan, PlanPricing, Subscription, SubscriptionItem
from django_stripe_gateway.models.subscriptions import INCOMPLETE
from django_stripe_gateway.services.subscriptions.customers import billing_variant
from django_stripe_gateway.services.transactions import payments_database

# Of a refusal that names the choices: a sentence, not a price list.
MAX_CHOICES_NAMED = 12


@dataclass(frozen=True, slots=True)
class Terms:
    """In which currency something is charged, and how often.

    Args:
        listed_in: the currency of the price as the catalogue has it, where it can be had in several.
    """

    currency: str
    interval: str
    interval_count: int
    listed_in: str = ""

    @property
    def currencies(self) -> Sequence[str]:
        """What the prices beside it, and after it, are listed in; which of the latter can be had so Stripe knows."""
        return [self.currency] if self.listed_in in ("", self.currency) else [self.currency, self.listed_in]

    def has_interval_of(self, pricing: PlanPricing) -> bool:
        """Return whether a price is charged as often."""
        return (self.interval, self.interval_count) == (pricing.interval, pricing.interval_count)


def find_plan(plan_pk: int) -> Plan:
    """Return a plan that customers can subscribe to.

    Raises:
        InvalidInput: there is none with this id.
    """
    plan = Plan.objects.using(payments_database()).active().plans().filter(pk=plan_pk).first()
    if plan is None:
        raise InvalidInput("There is no such plan.", code="unknown_plan", field="plan_id")
    return plan


def named_pricing(
    *,
    variant: str,
    plan: Plan | None = None,
    pricing_pk: int | None = None,
    lookup_key: str = "",
    is_public: bool = True,
) -> PlanPricing:
    """Return the price on sale that is named by our key, by its lookup key at the provider, or by both.

    Args:
        variant: the account that sells it.
        plan: whose price it must be; any plan's where none is given.
        is_public: only what every customer may choose.

    Raises:
        InvalidInput: there is no such price, or several have the lookup key.
    """
    rows = PlanPricing.objects.using(payments_database()).select_related("plan").filter(variant=variant)
    rows = rows.on_sale().filter(plan__is_active=True) if is_public else rows.sellable()
    field = "lookup_key" if pricing_pk is None else "pricing_id"
    if plan is not None:
        rows = rows.filter(plan=plan)
    if pricing_pk is not None:
        rows = rows.filter(pk=pricing_pk)
    if lookup_key:
        rows = rows.filter(lookup_key=lookup_key)
    found = list(rows.order_by("pk")[: MAX_CHOICES_NAMED + 1])
    if not found:
        sentence = "There is no such price." if plan is None else "This plan has no such price."
        raise InvalidInput(sentence, code="unknown_pricing", field=field)
    if len(found) > 1:
        raise _ambiguous("Several prices have this lookup key", found)
    return found[0]


def check_sold_alone(pricing: PlanPricing) -> None:
    """Raise ``InvalidInput`` for a price by use that stands beside the plan's own: by itself it gives the plan away."""
    others = PlanPricing.objects.using(payments_database()).sold().filter(plan=pricing.plan_id)
    others = others.filter(variant=pricing.variant).exclude(usage_type=PriceUsage.METERED)
    if pricing.is_metered and others.exists():
        sentence = "This price is charged beside the one of the plan. Name that one, and add this."
        raise InvalidInput(sentence, code="not_for_sale", field="pricing_id")


def is_charged(subscription: Subscription, pricing: PlanPricing) -> bool:
    """Return whether a price is the one of a subscription now, also if its row was made since and nobody has looked."""
    if not subscription.price_id:
        return pricing.pk == subscription.pricing_id
    return (pricing.variant, pricing.stripe_price_id) == (subscription.variant, subscription.price_id)


def check_currency(pricing: PlanPricing, currencies: Sequence[str]) -> None:
    """Raise ``InvalidInput`` for a price in another currency than a subscription has, which is the first of some."""
    if pricing.currency not in currencies:
        sentence = f"A subscription keeps its currency, {currencies[0]}; this price is {pricing}."
        raise InvalidInput(sentence, code="other_currency", field="pricing_id")


def choose_pricing(plan: Plan, *, owner: Any = None, currency: str = "") -> PlanPricing:
    """Return the price at which a plan is sold to ``owner`` where none was named.

    A plan with one price needs nothing. Of several it is the one in the currency and with the interval of what the
    owner has paid for already, else in the currency that the adapter says, else the plan's default. Another interval
    than the owner's is only taken where the seller has made it the default.

    Args:
        currency: sell in this one only.

    Raises:
        InvalidInput: the plan is not for sale, or not in this currency, or several prices are left.
    """
    sold = _sold(plan, billing_variant())
    if currency:
        left = [pricing for pricing in sold if pricing.currency == currency.upper()]
        if not left:
            sentence = f"This plan is not sold in {currency.upper()}; it is at {named_choices(sold)}."
            raise InvalidInput(sentence, code="other_currency", field="currency")
        sold = left
    if len(sold) > 1:
        terms = _terms_of_owner(owner, billing_variant())
        if terms is not None:
            sold = preferred(sold, lambda pricing: pricing.currency == terms.currency)
            sold = _at_interval(sold, terms)
    if len(sold) > 1 and owner is not None:
        usual = _usual_currency(owner)
        sold = preferred(sold, lambda pricing: pricing.currency == usual)
    return _only(preferred(sold, lambda pricing: pricing.is_default))


def choose_next_pricing(subscription: Subscription, plan: Plan) -> PlanPricing | None:
    """Return the price of ``plan`` that a subscription changes to where none was named; ``None`` to keep its own.

    It keeps its currency, and its interval where the plan has one like it: another interval is only taken where the
    seller has made it the default, or sells at no other price.

    Raises:
        InvalidInput: the plan is not sold, or not in this currency, or several prices are left.
    """
    if plan.pk == subscription.plan_id:
        return None
    sold = _sold(plan, subscription.variant)
    terms = current_terms(subscription)
    if terms is None:
        return _only(preferred(sold, lambda pricing: pricing.is_default))
    same_currency = [pricing for pricing in sold if pricing.currency in terms.currencies]
    same_currency = preferred(same_currency, lambda pricing: pricing.currency == terms.currency)
    if not same_currency:
        sentence = f"A subscription keeps its currency, {terms.currency}; this plan is sold at {named_choices(sold)}."
        raise InvalidInput(sentence, code="other_currency", field="pricing_id")
    left = _at_interval(same_currency, terms) if len(sold) > 1 else sold
    return _only(preferred(left, lambda pricing: pricing.is_default))


def check_asked_currency(pricing: PlanPricing, currency: str) -> None:
    """Raise ``InvalidInput`` if a price that was named is in another currency than was asked for."""
    if currency and pricing.currency != currency.upper():
        sentence = f"This price is {pricing}, and not in {currency.upper()}."
        raise InvalidInput(sentence, code="other_currency", field="currency")


def current_terms(subscription: Subscription) -> Terms | None:
    """Return what a subscription's plan is charged in, also at a price that nobody here knows; ``None`` if unclear."""
    items = SubscriptionItem.objects.using(payments_database()).filter(subscription=subscription).exclude(currency="")
    # Where nothing says which item is the plan, any of them says in which currency the subscription is.
    items = items.select_related("pricing")
    item = items.filter(provider_id=subscription.item_id).first() or items.first()
    found = item or subscription.pricing
    if found is None:
        return None
    listed_in = item.pricing.currency if item is not None and item.pricing is not None else ""
    return Terms(found.currency, found.interval, found.interval_count, listed_in)


def _sold(plan: Plan, variant: str) -> list[PlanPricing]:
    """Return the prices at which customers can subscribe to a plan.

    Raises:
        InvalidInput: there are none.
    """
    rows = PlanPricing.objects.using(payments_database()).on_sale().filter(plan=plan, variant=variant)
    sold = list(rows.order_by("amount", "pk")) if plan.is_active and not plan.is_add_on else []
    if not sold:
        raise InvalidInput("This plan is not for sale.", code="not_for_sale", field="plan_id")
    # What a meter counts is charged beside a plan, unless the plan has nothing else.
    return preferred(sold, lambda pricing: not pricing.is_metered)


def _terms_of_owner(owner: Any, variant: str) -> Terms | None:
    if owner is None:
        return None
    rows = Subscription.objects.using(payments_database()).for_owner(owner).filter(variant=variant)
    rows = rows.reachable().not_ended()
    # Who has not paid yet may still want something else.
    begun = rows.exclude(status__in=INCOMPLETE).select_related("pricing").order_by("-pk")
    return next((terms for terms in map(current_terms, begun) if terms is not None), None)


def _usual_currency(owner: Any) -> str:
    """Return the currency that the host's adapter says, in capitals.

    Raises:
        GatewayConfigurationError: the adapter answers no text.
    """
    currency: Any = get_adapter().default_currency(owner)
    if not isinstance(currency, str | None):
        problem = f"must return the code of a currency or None, and returned a {type(currency).__name__}"
        raise wrong_answer("default_currency", problem)
    return (currency or "").upper()


def _at_interval(sold: list[PlanPricing], terms: Terms) -> list[PlanPricing]:
    """Return the prices that are charged as often as something else is; else those that the seller prefers.

    Raises:
        InvalidInput: there is neither.
    """
    left = [pricing for pricing in sold if terms.has_interval_of(pricing)]
    left = left or [pricing for pricing in sold if pricing.is_default]
    if not left:
        raise _ambiguous("This plan is not sold with the interval of what runs already", sold)
    return left


def preferred(sold: list[PlanPricing], is_wanted: Callable[[PlanPricing], bool]) -> list[PlanPricing]:
    """Return the prices that are wanted; all of them if none is."""
    return [pricing for pricing in sold if is_wanted(pricing)] or sold


def _only(sold: Sequence[PlanPricing]) -> PlanPricing:
    if len(sold) > 1:
        raise _ambiguous("This plan has several prices", sold)
    return sold[0]


def _ambiguous(problem: str, sold: Iterable[PlanPricing]) -> InvalidInput:
    sentence = f"{problem}. Name one of them by its pricing_id: {named_choices(sold)}."
    return InvalidInput(sentence, code="ambiguous_pricing", field="pricing_id")


def named_choices(sold: Iterable[PlanPricing]) -> str:
    """Return what can be chosen, as in "20.00 USD / month (pricing_id 3), …"."""
    choices = list(sold)
    named = ", ".join(f"{pricing} (pricing_id {pricing.pk})" for pricing in choices[:MAX_CHOICES_NAMED])
    return f"{named}, …" if len(choices) > MAX_CHOICES_NAMED else named
