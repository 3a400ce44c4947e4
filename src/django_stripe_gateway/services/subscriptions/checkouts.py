"""Pages of the provider that start subscriptions: closed before anything else begins, settled when they are used."""

from __future__ import annotations

from django.utils import timezone

from django_stripe_gateway.choices import BillingOperationKind, SubscriptionLogEvent, SubscriptionStatus
from django_stripe_gateway.exceptions import ProviderStateError, WrongState
from django_stripe_gateway.gateways.billing_values import BillingCheckoutSnapshot
from django_stripe_gateway.models import BillingOperation, Customer, Plan, Subscription
from django_stripe_gateway.models.subscriptions import SubscriptionQuerySet
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.audit import write_log
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.identity import take_identity
from django_stripe_gateway.services.subscriptions.one_bill import rivals
from django_stripe_gateway.services.subscriptions.sync import lock_subscription, look_up_subscription
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock


def close_open_checkouts(customer: Customer, plan: Plan, origin: Origin) -> None:
    """Close the pages of what may not run beside a subscription to ``plan``, so that nobody pays for both.

    Raises:
        ProviderError: the provider could not be asked; then nothing may be started either.
    """
    close_pages(rivals(customer, plan.pk), origin)


def close_pages(subscriptions: SubscriptionQuerySet, origin: Origin) -> None:
    """Close the pages on which some subscriptions could still be started.

    Raises:
        ProviderError: the provider could not be asked.
    """
    for subscription in subscriptions.filter(status=SubscriptionStatus.STARTING).exclude(checkout_id=""):
        gateway = billing_gateway_of(subscription)
        operation = BillingOperation.objects.using(payments_database()).get(
            subscription=subscription, kind=BillingOperationKind.CHECKOUT
        )
        try:
            page = gateway.expire_subscription_checkout(
                subscription.checkout_id, idempotency_key=f"{operation.idempotency_key}-expire"
            )
        except ProviderStateError:
            page = gateway.retrieve_subscription_checkout(subscription.checkout_id)
        settle_checkout(subscription.pk, page, origin)


def look_up_start(subscription: Subscription, origin: Origin) -> Subscription:
    """Ask the provider what has become of a subscription whose page may still be open, and bring it up to date.

    Raises:
        GatewayError: the provider could not be asked.
    """
    if subscription.provider_id:
        return look_up_subscription(subscription.pk, origin)
    page = billing_gateway_of(subscription).retrieve_subscription_checkout(subscription.checkout_id)
    return settle_checkout(subscription.pk, page, origin)


def show_page(subscription: Subscription, page: BillingCheckoutSnapshot) -> None:
    """Hand on where its customer starts a subscription; neither the address nor the secret is stored."""
    subscription.gateway_url = page.url
    subscription.client_secret, subscription.client_secret_kind = (
        page.client_secret,
        "page" if page.client_secret else "",
    )


def look_up_page(subscription: Subscription, origin: Origin = SYSTEM) -> Subscription:
    """Return a subscription with what its customer starts it with, asked of the provider, as long as they can.

    Raises:
        GatewayError: the provider could not be asked.
    """
    if subscription.status != SubscriptionStatus.STARTING or not subscription.checkout_id:
        return subscription
    page = billing_gateway_of(subscription).retrieve_subscription_checkout(subscription.checkout_id)
    found = settle_checkout(subscription.pk, page, origin)
    show_page(found, page)
    return found


def settle_checkout(subscription_pk: int, page: BillingCheckoutSnapshot, origin: Origin = SYSTEM) -> Subscription:
    """Write where a page stands, and look up the subscription that it has started."""
    subscription = _write_checkout(subscription_pk, page, origin)
    if subscription.provider_id and not subscription.has_ended:
        return look_up_subscription(subscription_pk, origin)
    return subscription


@retry_on_deadlock
def _write_checkout(subscription_pk: int, page: BillingCheckoutSnapshot, origin: Origin) -> Subscription:
    with money_transaction():
        subscription = lock_subscription(subscription_pk)
        note_checkout(subscription, page, origin)
    return subscription


def note_checkout(subscription: Subscription, page: BillingCheckoutSnapshot, origin: Origin) -> None:
    """Note on a locked subscription where its page stands.

    Raises:
        WrongState: the page is another subscription's, or another customer's.
    """
    if subscription.checkout_id and page.session_id != subscription.checkout_id:
        raise WrongState("This page belongs to another subscription.")
    if page.customer_id and not subscription.customer.is_known_as(page.customer_id):
        raise WrongState("This page belongs to another customer.")
    changed = []
    if not subscription.checkout_id:
        subscription.checkout_id = page.session_id
        changed.append("checkout_id")
    take_identity(subscription, page.subscription_id, origin)
    if page.subscription_id and not subscription.provider_id:
        subscription.provider_id = page.subscription_id
        changed.append("provider_id")
    if page.status == "expired" and subscription.status == SubscriptionStatus.STARTING:
        subscription.status = SubscriptionStatus.INCOMPLETE_EXPIRED
        subscription.ended_at = timezone.now()
        changed += ["status", "ended_at"]
        write_log(subscription, SubscriptionLogEvent.STATUS_CHANGED, origin, "the page was never used")
    if changed:
        subscription.save(using=payments_database(), update_fields=[*changed, "modified"])
        handle_arrivals(page.session_id, page.subscription_id)
