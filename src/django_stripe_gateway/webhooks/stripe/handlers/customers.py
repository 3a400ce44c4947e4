"""Customers and their payment methods."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.gateways.stripe.catalogue_objects import charged_by_default, payment_method_snapshot
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.mails.cards import forget_card, keeps_cards, note_card
from django_stripe_gateway.services.subscriptions.customers import note_deletion
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import claimed_modes, find_customer, newest_of, speaks_for
from django_stripe_gateway.webhooks.stripe.registration import handles

logger = logging.getLogger(__name__)


@handles("customer.deleted")
def handle_deleted(event: Event) -> WebhookState:
    """Note that a customer is gone; the next subscription makes another one."""
    return _apply(event, note_deletion)


@handles("customer.updated")
def handle_updated(event: Event) -> WebhookState:
    """Keep what the customer is charged on."""
    return _apply(event, lambda customer: _take_default(event, customer))


@handles("payment_method.attached", "payment_method.updated", "payment_method.automatically_updated")
def handle_payment_method(event: Event) -> WebhookState:
    """Keep when a card expires, if anybody is told of that: lists ask the provider."""
    customer_id = clean_id(event.object.get("customer"))
    if not keeps_cards() or not customer_id:
        return WebhookState.PROCESSED
    try:
        method = payment_method_snapshot(event.object)
    except ProviderError:
        # Nobody is charged by what this says.
        logger.warning("The event %s holds no readable payment method.", event.id)
        return WebhookState.PROCESSED
    customer = find_customer(event, customer_id)
    if customer is not None:
        note_card(customer, method, event.created)
    return WebhookState.PROCESSED


@handles("payment_method.detached")
def handle_detached(event: Event) -> WebhookState:
    """Forget a payment method that cannot be charged any more."""
    method_id = clean_id(event.object.get("id"))
    modes = claimed_modes(event)
    # One that was fetched may have been added again since.
    is_gone = event.looked_up is None or not event.object.get("customer")
    if method_id and len(modes) < 2 and is_gone:
        for model in (Customer, Subscription):
            rows = model._default_manager.using(payments_database()).filter(default_payment_method=method_id)
            rows.filter(variant__in=speaks_for(event), livemode__in=modes or (False, True)).update(
                default_payment_method=""
            )
        if keeps_cards():
            forget_card(speaks_for(event), method_id)
    return WebhookState.PROCESSED


def _apply(event: Event, change: Callable[[Customer], None]) -> WebhookState:
    customer = find_customer(event, clean_id(event.object.get("id")))
    if customer is None:
        return WebhookState.UNMATCHED
    change(customer)
    return WebhookState.PROCESSED


def _take_default(event: Event, customer: Customer) -> None:
    if not customer.exists_at_provider:
        return
    gateway, customer_id = get_billing_gateway(customer.variant), customer.provider_id or ""
    newest = newest_of(
        event,
        customer,
        clean_id(charged_by_default(event.object)),
        retrieve=lambda: gateway.retrieve_customer(customer_id).default_payment_method,
    )
    if newest is not None:
        customer.default_payment_method = newest
        fields = ["provider_time", "fetched_at", "default_payment_method", "modified"]
        customer.save(using=payments_database(), update_fields=fields)
