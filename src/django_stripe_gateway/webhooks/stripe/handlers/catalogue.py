"""Prices and products that were archived at the provider are not sold any more."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.models import PlanPricing
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import speaks_for
from django_stripe_gateway.webhooks.stripe.registration import handles


@handles("price.created", "price.updated", "price.deleted", "plan.created", "plan.updated", "plan.deleted")
def handle_price(event: Event) -> WebhookState:
    """Stop selling at a price that is archived or gone; selling at it again is decided here."""
    return _stop_selling(event, "stripe_price_id")


@handles("product.created", "product.updated", "product.deleted")
def handle_product(event: Event) -> WebhookState:
    """Stop selling a product that is archived or gone."""
    return _stop_selling(event, "stripe_product_id")


def _stop_selling(event: Event, column: str) -> WebhookState:
    is_deleted = event.type.endswith(".deleted")
    object_id = clean_id(event.object.get("id"))
    if not object_id or (event.object.get("active") is not False and not is_deleted):
        return WebhookState.PROCESSED
    rows = PlanPricing.objects.using(payments_database()).filter(variant__in=speaks_for(event), **{column: object_id})
    said = event.looked_up or event.created
    if said is not None and not is_deleted:
        # A stale event, such as a replay: what was decided here since then stays. Stripe's times are whole seconds.
        rows = rows.filter(modified__lte=said + timedelta(seconds=1))
    rows.update(is_active=False, replaced_by=None, modified=timezone.now())
    return WebhookState.PROCESSED
