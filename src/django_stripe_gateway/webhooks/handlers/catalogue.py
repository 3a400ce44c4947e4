"""Prices and products that were archived at the provider are not sold any more."""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import PlanPricing
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.billing import speaks_for
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.registry import handles


@handles("price.created", "price.updated", "price.deleted", "plan.created", "plan.updated", "plan.deleted")
def handle_price(event: Event) -> WebhookState:
    """Stop selling at a price that is archived or gone; selling at it again is decided here."""
    return _stop_selling(event, "stripe_price_id")


@handles("product.created", "product.updated", "product.deleted")
def handle_product(event: Event) -> WebhookState:
    """Stop selling a product that is archived or gone."""
    return _stop_selling(event, "stripe_product_id")


def _stop_selling(event: Event, column: str) -> WebhookState:
    if event.object.get("active") is not False and not event.type.endswith(".deleted"):
        return WebhookState.PROCESSED
    object_id = clean_id(event.object.get("id"))
    if object_id:
        rows = PlanPricing.objects.using(payments_database()).filter(account__in=speaks_for(event))
        rows.filter(**{column: object_id}).update(is_active=False)
    return WebhookState.PROCESSED
