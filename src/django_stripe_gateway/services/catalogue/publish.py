"""What can be done with plans and prices at the provider."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import CatalogueOperationKind as Kind
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    GatewayError,
    OperationInProgress,
    ProviderUnavailable,
)
from django_stripe_gateway.gateways.catalogue_values import PriceSnapshot
from django_stripe_gateway.models import CatalogueOperation, Plan, PlanPricing
from django_stripe_gateway.services.accounts import columns_of
from django_stripe_gateway.services.catalogue.line import (
    CatalogueVerb,
    ask_host_to_sell,
    in_other_hands,
    last_operation,
)
from django_stripe_gateway.services.catalogue.meters import CREATE_METER
from django_stripe_gateway.services.catalogue.prices import ARCHIVE_PRICE, CREATE_PRICE, RESTORE_PRICE, SET_LOOKUP_KEY
from django_stripe_gateway.services.catalogue.products import ARCHIVE_PRODUCT, CREATE_PRODUCT, UPDATE_PRODUCT
from django_stripe_gateway.services.catalogue.rows import (
    exact_amount,
    foreign_rows,
    is_offered,
    lock_plan,
    not_offered_here,
    price_rows,
    retire_replaced,
    rows_of,
    succeed_row,
    take_terms,
    taken_prices,
)
from django_stripe_gateway.services.catalogue.state import (
    ProviderCatalogue,
    event_name_of,
    has_terms,
    is_sold,
    is_standing_in,
    read_catalogue,
)
from django_stripe_gateway.services.catalogue.steps import LINK_PRICE, REPLACE_PRICE, CatalogueStep, steps_for
from django_stripe_gateway.services.operations.engine import carry_on, give_up, reclaim, run
from django_stripe_gateway.services.operations.verbs import Request, pending_operations
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.customers import billing_variant
from django_stripe_gateway.services.subscriptions.identify import identify_items
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

VERBS: dict[str, CatalogueVerb[Any]] = {
    verb.kind: verb
    for verb in (
        *(CREATE_PRODUCT, UPDATE_PRODUCT, ARCHIVE_PRODUCT, CREATE_METER),
        *(CREATE_PRICE, ARCHIVE_PRICE, RESTORE_PRICE, SET_LOOKUP_KEY),
    )
}

# What is no refusal of one thing: whoever does not answer is not asked for more.
STOPS = (ProviderUnavailable, OperationInProgress, GatewayConfigurationError)

logger = logging.getLogger(__name__)


def push_plan(*, plan: Plan, variant: str = "", origin: Origin = SYSTEM) -> list[CatalogueStep]:
    """Bring a plan's product and prices at the provider to what our rows say, and return what was done.

    Killed at any point, or run by several processes, it ends in one product, and one price for each row: what a row
    does not name is looked for by its metadata before it is made.

    Args:
        variant: payment variant, empty for the one that sells subscriptions.

    Raises:
        OperationInProgress: another process is at it.
        ProviderUnavailable: the provider failed; a repeat carries on.
        GatewayError: something was refused, and the rest is done; the sentence names all that was refused.
    """
    return Push(plan, variant or billing_variant(), origin).run()


def push_pricing(*, pricing: PlanPricing) -> list[CatalogueStep]:
    """Bring a price and its plan's other prices in its account to what our rows say; see ``push_plan``."""
    return push_plan(plan=pricing.plan, variant=pricing.variant)


def archive_pricing(*, pricing: PlanPricing) -> list[CatalogueStep]:
    """Sell at a price no more, here and at the provider; subscriptions that have it keep it.

    Raises:
        GatewayError: see ``push_plan``; here it is not sold any more all the same.
    """
    _stop_selling(pricing)
    pricing.is_active = False
    return push_pricing(pricing=pricing)


def replace_pricing(*, pricing: PlanPricing, amount: Decimal) -> PlanPricing:
    """Sell at another amount: a new price is made and the old one archived. Subscriptions that have it keep it.

    Args:
        amount: in the units of the price's currency.

    Returns:
        The row that is sold now.

    Raises:
        InvalidAmount: the amount is negative, too large, or finer than the currency.
        GatewayError: see ``push_plan``; the rows are changed all the same.
    """
    row = _replace(pricing, exact_amount(amount, pricing.currency, pricing.usage_type))
    push_pricing(pricing=row)
    return price_rows().get(pk=row.pk)


@retry_on_deadlock
def _stop_selling(pricing: PlanPricing) -> None:
    with money_transaction():
        lock_plan(pricing.plan_id)
        price_rows().filter(pk=pricing.pk).update(is_active=False, replaced_by=None)


@retry_on_deadlock
def _replace(pricing: PlanPricing, amount: Decimal) -> PlanPricing:
    with money_transaction():
        lock_plan(pricing.plan_id)
        row = price_rows().select_related("plan").get(pk=pricing.pk)
        if row.amount == amount:
            return row
        if is_offered(row):
            return succeed_row(row, {"amount": amount})
        row.amount = amount
        row.save(using=payments_database(), update_fields=["amount", "modified"])
        return row


@dataclass(slots=True)
class Push:
    """A push of one plan in one account: an operation for each call, as long as nobody else stores one."""

    plan: Plan
    variant: str
    origin: Origin
    after_pk: int | None = None
    product_id: str = ""
    default_price_id: str = ""
    was_active: bool = False
    catalogue: ProviderCatalogue = field(default_factory=lambda: ProviderCatalogue({}, {}))
    #: Ids by the names of their events, those that this push has made included.
    meters: dict[str, str] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    #: What the provider would not do.
    refused: list[tuple[CatalogueStep, GatewayError]] = field(default_factory=list)

    def run(self) -> list[CatalogueStep]:
        """Settle what an earlier push has left, read what there is, do what is to be done, and return that."""
        done = self.settle_earlier()
        self._give_up_lost()
        self.catalogue = catalogue = read_catalogue(self.variant)
        self.meters = dict(catalogue.meters)
        self.plan = Plan.objects.using(payments_database()).get(pk=self.plan.pk)
        _offer_here(self.plan, self.variant)
        rows = rows_of(self.plan, self.variant)
        product = catalogue.product_of(self.plan, rows)
        if product is not None:
            self.product_id, self.default_price_id = product.product_id, product.default_price_id
            self.was_active = product.is_active
        self.taken = taken_prices()
        for step in steps_for(self.plan, rows, catalogue, self.taken):
            if not self._is_in_vain(step):
                done += self._try(step)
        identify_items(self.variant)
        if self.refused:
            raise self._refusal()
        return done

    def _try(self, step: CatalogueStep) -> list[CatalogueStep]:
        """Do one thing and return what that was; what is refused holds up nothing else."""
        try:
            return self._perform(step)
        except STOPS:
            raise
        except GatewayError as error:
            self.refused.append((step, error))
            # The push goes on from its own operation, and from no later one: that would be somebody else's.
            rows = CatalogueOperation.objects.using(payments_database()).filter(plan=self.plan, variant=self.variant)
            own = rows.filter(pk__gt=self.after_pk or 0).order_by("pk").first()
            self.after_pk = own.pk if own is not None else self.after_pk
            return []

    def _is_in_vain(self, step: CatalogueStep) -> bool:
        """Return whether a step needs what was refused: the product, a meter, or the price that replaces another."""
        refused = {other.kind for other, _error in self.refused}
        if Kind.CREATE_PRODUCT in refused:
            return True
        row = step.row
        if row is None:
            return False
        if step.kind in (Kind.CREATE_PRICE, REPLACE_PRICE) and row.is_metered and Kind.CREATE_METER in refused:
            return event_name_of(row.metric) not in self.meters
        return step.kind == Kind.ARCHIVE_PRICE and is_standing_in(self.plan, price_rows().get(pk=row.pk))

    def _refusal(self) -> GatewayError:
        """Return the error that says all that was refused."""
        _step, first = self.refused[0]
        detail = " ".join(f"{step}: {error.detail}" for step, error in self.refused)
        return type(first)(detail, code=first.code, field=first.field, request_id=first.request_id)

    def settle_earlier(self) -> list[CatalogueStep]:
        """Carry on the operation that has no answer, and return what that did; a refusal is an answer."""
        # Refused inside a caller's transaction, before the provider is asked and even if nothing is to be done.
        with money_transaction():
            newest = last_operation(self.plan.pk, self.variant)
        self.after_pk = newest.pk if newest else None
        if newest is None or not newest.is_pending:
            return []
        claim = reclaim(CatalogueOperation, newest.pk, self.origin)
        if claim is None or not carry_on(claim):
            return []
        return [CatalogueStep(claim.operation.kind, claim.operation.pricing, claim.operation.object_id)]

    def _give_up_lost(self) -> None:
        """Close what is open in accounts of variants that are gone: nobody can be asked what became of it."""
        lost = pending_operations(CatalogueOperation).abandoned().filter(plan=self.plan)
        for operation in lost.exclude(variant__in=gateway_settings.variants):
            claim = reclaim(CatalogueOperation, operation.pk, self.origin)
            if claim is not None:
                detail = f"There is no variant {operation.variant} any more."
                give_up(claim, "variant_gone", detail)
                logger.error("The operation %s was given up: %s", operation.pk, detail)

    def _perform(self, step: CatalogueStep) -> list[CatalogueStep]:
        row, price = step.row, step.terms
        if row is None or price is None:
            return [self.ask(VERBS[step.kind], row)]
        if step.kind == LINK_PRICE:
            row.stripe_price_id = price.price_id
            unnamed = price_rows().filter(pk=row.pk, stripe_price_id=None)
            ids = {"stripe_price_id": price.price_id, "stripe_product_id": price.product_id}
            ids |= columns_of(self.variant)
            unnamed.update(**ids, meter_id=price.meter_id)
            retire_replaced(row)
            return [step]
        successor = _split(row, price, self.catalogue.metric_of(price))
        done = [self.ask(CREATE_PRICE, successor)]
        return [*done, self.ask(ARCHIVE_PRICE, row)] if price.is_active else done

    def ask(self, verb: CatalogueVerb[Any], row: PlanPricing | None, default_price_id: str = "") -> CatalogueStep:
        """Run one verb, about a price or the product."""
        if verb is ARCHIVE_PRICE and row is not None and row.stripe_price_id == self.default_price_id:
            # Stripe does not archive the price that its own pages offer first.
            others = [other for other in rows_of(self.plan, self.variant) if is_sold(self.plan, other)]
            others = [other for other in others if other.stripe_product_id == self.product_id and other.is_public]
            if others:
                first = max(others, key=lambda other: (other.is_default, not other.is_metered, other.pk))
                self.default_price_id = first.stripe_price_id or ""
                self.ask(UPDATE_PRODUCT, None, self.default_price_id)
        if verb is CREATE_PRICE and row is not None and row.is_metered:
            self._name_meter(row)
        params = {
            "variant": self.variant,
            "pricing_pk": row and row.pk,
            "after_pk": self.after_pk,
            "price_id": row and row.stripe_price_id,
            "product_id": self.product_id,
            "was_active": self.was_active,
            "default_price_id": default_price_id,
            "may_take_key": row is not None and self.catalogue.may_take_key(self.plan, row, self.taken),
        }
        further = ask_host_to_sell(verb, self.plan, row, self.variant)
        operation = run(verb, self.plan.pk, Request(params=params, further=further), self.origin).operation
        self.after_pk = operation.pk
        if verb is CREATE_PRODUCT:
            self.product_id = operation.object_id
        elif verb is CREATE_METER and row is not None:
            self.meters[event_name_of(row.metric)] = operation.object_id
        return CatalogueStep(operation.kind, row, operation.object_id)

    def _name_meter(self, row: PlanPricing) -> None:
        """Write which meter counts for a price that is about to be made."""
        row.meter_id = self.meters.get(event_name_of(row.metric), "")
        price_rows().filter(pk=row.pk, stripe_price_id=None).update(meter_id=row.meter_id, **columns_of(self.variant))


@retry_on_deadlock
def _offer_here(plan: Plan, variant: str) -> None:
    """Give the account that is configured now the prices that a plan has in others, before it is asked for them."""
    if not foreign_rows(variant).filter(plan=plan).exists():
        return
    with money_transaction():
        made = not_offered_here(lock_plan(plan.pk), variant)
        for row in made:
            row.save(using=payments_database())
    if made:
        logger.warning("Prices of %s were of another account or mode: %s are made anew in this one.", plan, len(made))


@retry_on_deadlock
def _split(row: PlanPricing, price: PriceSnapshot, metric: str) -> PlanPricing:
    """Let the row become what its price has always cost, and return the row of what shall be sold."""
    with money_transaction():
        plan = lock_plan(row.plan_id)
        current = price_rows().get(pk=row.pk)
        if not current.is_active or has_terms(current, price):
            raise in_other_hands(plan)
        successor = succeed_row(current, {})
        take_terms(current, price, metric)
        current.save(using=payments_database())
        return successor
