"""Checkout Sessions: completed, settled or failed later, expired."""

from __future__ import annotations

import logging

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.gateways.billing_values import SetupSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.gateways.stripe.payment_objects import object_id
from django_stripe_gateway.gateways.values import Failure
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.checkouts import note_checkout
from django_stripe_gateway.services.subscriptions.setup_checkouts import charge_what_was_added, find_setup_operation
from django_stripe_gateway.services.subscriptions.sync import lock_customer, lock_subscription
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.answers import answers_of, needs
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.stripe.billing import speaks_for, verify_account
from django_stripe_gateway.webhooks.stripe.buyers import take_in_buyer
from django_stripe_gateway.webhooks.stripe.payments import apply_payment_event
from django_stripe_gateway.webhooks.stripe.registration import handles
from django_stripe_gateway.webhooks.stripe.variants import seller_of

logger = logging.getLogger(__name__)

# The session says no more than that it is unpaid; its intent's event brings the bank's own reason, if it comes first.
ASYNC_FAILURE = Failure(code="async_payment_failed", message="The bank did not make the payment.")


@handles(
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
)
def handle_checkout_session(event: Event) -> WebhookState:
    """Bring the payment to its session's state; note what a page of subscriptions or of payment methods has made."""
    mode = event.object.get("mode")
    if mode not in (None, "payment") and seller_of(event):
        return event.because(WebhookState.IGNORED, "sellers' accounts take payments, and nothing else")
    if mode == "subscription" and event.type in ("checkout.session.completed", "checkout.session.expired"):
        return _handle_subscription_page(event)
    if mode == "setup" and event.type == "checkout.session.completed":
        return _handle_setup_page(event)
    if mode not in (None, "payment"):
        return WebhookState.IGNORED
    # A session that was fetched may have been paid since.
    failed = event.type == "checkout.session.async_payment_failed" and event.object.get("payment_status") != "paid"
    return apply_payment_event(event, "checkout.session", failure=ASYNC_FAILURE if failed else None)


def _handle_subscription_page(event: Event) -> WebhookState:
    """Note what a page was used for; the subscription's own events bring the rest."""
    rows = Subscription.objects.using(payments_database()).filter(variant__in=speaks_for(event))
    pk = rows.filter(checkout_id=clean_id(event.object.get("id"))).values_list("pk", flat=True).first()
    if pk is None or not event.object.get("id"):
        return take_in_buyer(event)
    subscription = lock_subscription(pk)
    try:
        verify_account(event, subscription)
        page = get_billing_gateway(subscription.variant).read_subscription_checkout(event.object)
        note_checkout(subscription, page, event.origin)
    except (SnapshotMismatch, GatewayError) as mismatch:
        logger.error("The event %s contradicts subscription %s: %s.", event.id, subscription.pk, mismatch)
        return WebhookState.MISMATCHED
    return WebhookState.PROCESSED


def _handle_setup_page(event: Event) -> WebhookState:
    """Charge what a customer has added on a page from now on, if that was asked when the page was made."""
    page_id, metadata = clean_id(event.object.get("id")), event.object.get("metadata")
    operation = find_setup_operation(metadata if isinstance(metadata, dict) else {}, page_id, speaks_for(event))
    if operation is None or not page_id:
        # Made by somebody else in this account.
        return WebhookState.IGNORED
    customer, customer_id = lock_customer(operation.customer_id), clean_id(object_id(event.object.get("customer")))
    setup_id = clean_id(object_id(event.object.get("setup_intent")))
    try:
        verify_account(event, customer)
        if not setup_id or not customer.is_known_as(customer_id):
            raise SnapshotMismatch("customer differs")
    except SnapshotMismatch as mismatch:
        logger.error("The event %s contradicts operation %s: %s.", event.id, operation.pk, mismatch)
        return WebhookState.MISMATCHED
    if not operation.params["set_default"] or customer_id != customer.provider_id:
        return WebhookState.PROCESSED
    setup: SetupSnapshot | None = answers_of(event).look
    if setup is None:
        gateway = get_billing_gateway(customer.variant)
        # The page says by which SetupIntent, and not what was added.
        raise needs(event, look=lambda: gateway.retrieve_setup(setup_id))
    if setup.payment_method_id:
        charge_what_was_added(operation, page_id, setup.payment_method_id, event.origin)
    return WebhookState.PROCESSED
