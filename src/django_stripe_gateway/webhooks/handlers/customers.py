"""Customers and their payment methods."""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.gateways.stripe_objects import object_id
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.billing.customers import note_deletion
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.billing import find_customer
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.registry import handles


@handles("customer.deleted")
def handle_deleted(event: Event) -> WebhookState:
    """Note that a customer is gone; the next subscription makes another one."""
    customer = find_customer(event, clean_id(event.object.get("id")))
    if customer is None:
        return WebhookState.UNMATCHED
    note_deletion(customer)
    return WebhookState.PROCESSED


@handles("customer.updated")
def handle_updated(event: Event) -> WebhookState:
    """Keep what the customer is charged on."""
    customer = find_customer(event, clean_id(event.object.get("id")))
    if customer is None:
        return WebhookState.UNMATCHED
    latest = customer.provider_time
    if event.created is not None and (latest is None or event.created >= latest):
        customer.provider_time = event.created
        customer.default_payment_method = _default_payment_method(event)
        fields = ["provider_time", "default_payment_method", "modified"]
        customer.save(using=payments_database(), update_fields=fields)
    return WebhookState.PROCESSED


@handles("payment_method.attached", "payment_method.updated", "payment_method.automatically_updated")
def handle_payment_method(event: Event) -> WebhookState:
    """Nothing of a payment method is kept here: lists ask the provider. Hosts may want to know."""
    return WebhookState.PROCESSED


@handles("payment_method.detached")
def handle_detached(event: Event) -> WebhookState:
    """Forget a payment method that cannot be charged any more."""
    method_id = clean_id(event.object.get("id"))
    if method_id:
        for model in (Customer, Subscription):
            rows = model._default_manager.using(payments_database()).filter(default_payment_method=method_id)
            rows.update(default_payment_method="")
    return WebhookState.PROCESSED


def _default_payment_method(event: Event) -> str:
    settings = event.object.get("invoice_settings")
    chosen = settings.get("default_payment_method") if isinstance(settings, dict) else None
    # localstripe and old integrations know sources.
    return clean_id(object_id(chosen or event.object.get("default_source")))
