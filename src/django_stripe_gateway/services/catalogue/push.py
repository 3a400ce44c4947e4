"""The push of one plan: every call under the lease, every answer written before the next call."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django_stripe_gateway.gateways.billing_values import PriceRequest, PriceSnapshot, ProductSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Plan, PlanPricing
from django_stripe_gateway.services.catalogue.leases import PlanLease, check_lease, renew_lease
from django_stripe_gateway.services.catalogue.rows import (
    rows_of,
    succeed_row,
    take_terms,
    taken_prices,
    write_price,
    write_product,
)
from django_stripe_gateway.services.catalogue.state import is_sold, price_metadata, read_catalogue
from django_stripe_gateway.services.catalogue.steps import CatalogueStep, StepKind, product_request, steps_for
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

Answer = TypeVar("Answer", ProductSnapshot, PriceSnapshot)


class PlanPush:
    """A push of one plan in one account, by the process that holds the plan's lease."""

    def __init__(self, lease: PlanLease, variant: str) -> None:
        self.lease = lease
        self.variant = variant
        self.gateway = get_billing_gateway(variant)
        self.done: list[CatalogueStep] = []
        self.product_id = ""
        self.default_price_id = ""

    def run(self) -> list[CatalogueStep]:
        """Look what there is, do what is to be done, and return that."""
        catalogue = read_catalogue(self.variant)
        plan = Plan.objects.using(payments_database()).get(pk=self.lease.plan_pk)
        rows = rows_of(plan, self.variant)
        product = catalogue.product_of(plan, rows)
        if product is not None:
            self.product_id, self.default_price_id = product.product_id, product.default_price_id
        for step in steps_for(plan, rows, catalogue, taken_prices()):
            self._perform(plan, step)
        return self.done

    def _perform(self, plan: Plan, step: CatalogueStep) -> None:
        row = step.row
        if step.kind is StepKind.CREATE_PRODUCT:
            self._create_product(plan)
        elif row is None:
            self._update_product(plan, is_active=step.kind is not StepKind.ARCHIVE_PRODUCT)
            self.done.append(step)
        elif step.kind is StepKind.CREATE_PRICE:
            self._create_price(plan, row)
        elif step.kind is StepKind.REPLACE_PRICE:
            self._replace_price(plan, step, row)
        elif step.kind is StepKind.ARCHIVE_PRICE:
            self._archive_price(plan, row, step.object_id)
        elif step.kind is StepKind.RESTORE_PRICE:
            self._ask("restore", lambda key: self.gateway.restore_price(step.object_id, idempotency_key=key))
            self.done.append(step)
        elif step.terms is not None:
            self._write_price(row, step.terms)
            self.done.append(step)

    def _create_product(self, plan: Plan) -> None:
        self._renew()
        request = product_request(plan)
        made = self.gateway.create_product(request, idempotency_key=f"{self.lease.key}-product")
        self.product_id = made.product_id
        self._write_product()
        self.done.append(CatalogueStep(StepKind.CREATE_PRODUCT, object_id=made.product_id))

    def _update_product(self, plan: Plan, *, is_active: bool, default_price_id: str = "") -> None:
        request = product_request(plan, default_price_id=default_price_id)
        self._ask(
            "product",
            lambda key: self.gateway.update_product(self.product_id, request, is_active=is_active, idempotency_key=key),
        )

    def _create_price(self, plan: Plan, row: PlanPricing) -> None:
        self._renew()
        request = PriceRequest(
            product_id=self.product_id,
            amount=row.amount,
            currency=row.currency,
            interval=row.interval,
            interval_count=row.interval_count,
            metadata=price_metadata(plan, row),
        )
        made = self.gateway.create_price(request, idempotency_key=f"{self.lease.key}-price-{row.pk}")
        self._write_price(row, made)
        self.done.append(CatalogueStep(StepKind.CREATE_PRICE, row, made.price_id))

    def _replace_price(self, plan: Plan, step: CatalogueStep, row: PlanPricing) -> None:
        """Sell at what the row says; the row itself becomes what its price has always cost."""
        successor = self._split(row, step.terms)
        self._create_price(plan, successor)
        if step.terms is not None and step.terms.is_active:
            self._archive_price(plan, row, step.object_id)

    def _archive_price(self, plan: Plan, row: PlanPricing, price_id: str) -> None:
        if price_id == self.default_price_id:
            # Stripe does not archive the price that its own pages offer first.
            others = [other for other in rows_of(plan, self.variant) if is_sold(plan, other)]
            others = [other for other in others if other.stripe_product_id == self.product_id]
            if others:
                self.default_price_id = others[-1].stripe_price_id or ""
                self._update_product(plan, is_active=True, default_price_id=self.default_price_id)
        self._ask("archive", lambda key: self.gateway.archive_price(price_id, idempotency_key=key))
        self.done.append(CatalogueStep(StepKind.ARCHIVE_PRICE, row, price_id))

    def _ask(self, what: str, call: Callable[[str], Answer]) -> Answer:
        """Set something at the provider, under a key that each attempt renews: a repeat has to set it again."""
        self._renew()
        return call(f"{self.lease.key}-{what}-{self.lease.until:%Y%m%d%H%M%S%f}")

    def _renew(self) -> None:
        self.lease = renew_lease(self.lease)

    @retry_on_deadlock
    def _write_price(self, row: PlanPricing, price: PriceSnapshot) -> None:
        with money_transaction():
            check_lease(self.lease)
            write_price(row.pk, price)
        row.stripe_price_id, row.stripe_product_id = price.price_id, price.product_id

    @retry_on_deadlock
    def _write_product(self) -> None:
        with money_transaction():
            write_product(check_lease(self.lease), self.variant, self.product_id)

    @retry_on_deadlock
    def _split(self, row: PlanPricing, terms: PriceSnapshot | None) -> PlanPricing:
        with money_transaction():
            check_lease(self.lease)
            successor = succeed_row(row, {})
            if terms is not None:
                take_terms(row, terms)
                row.save(using=payments_database())
        return successor
