"""What runs at the provider and is not known here, asked before anything is sold: it would be paid for twice.

What a customer of ours has there, and owes, is taken in, and counts like all else. Besides, the provider is asked by
the e-mail address, in a few calls: those who have a past here may have begun anew elsewhere. What is found so is
nobody's here: an address is no proof of whose it is, so nothing is given to anybody by it; but no second one is sold
beside it either, until the staff has linked the two. The mark that we leave on customers, the key of their owner,
proves nothing either: another site with the same account, or a copy of the database, counts its owners from 1 as well.
So it adopts nothing; it only tells apart who is another's. Where the host says that an address may be anybody's,
nothing is said of what is at the provider under it, unless it has the owner's mark.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from typing import Any

from django.utils import timezone

from django_stripe_gateway.adapter import get_adapter
from django_stripe_gateway.choices import InvoiceStatus, SubscriptionStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import ProviderError, UnknownAtProvider, WrongState
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import CustomerSnapshot, InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, Invoice, PlanPricing, Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.subscriptions.customers import note_unheard_deletion
from django_stripe_gateway.services.subscriptions.details import OWNER_MARK, owner_details
from django_stripe_gateway.services.subscriptions.identity import find_subscription_row
from django_stripe_gateway.services.subscriptions.sync import (
    add_subscription,
    lock_customer,
    look_up_subscription,
    store_invoice,
)
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS

logger = logging.getLogger(__name__)

# Nobody pays for it, or has ever.
NOT_RUNNING = (*ENDED_SUBSCRIPTIONS, SubscriptionStatus.INCOMPLETE)


def learn_what_runs(owner: Any, customer: Customer, plan_pk: int, origin: Origin) -> None:
    """Take in what a customer has at the provider, before a subscription to a plan is sold; no lock may be held.

    Raises:
        WrongState: somebody with the owner's e-mail address, who is nobody here, has one ("subscribed_elsewhere").
        ProviderError: the provider could not be asked; then nothing may be started either.
    """
    if not gateway_settings.ask_before_sale or gateway_settings.subscriptions_per_owner == "several":
        return
    if customer.exists_at_provider:
        take_in_what_runs(customer, origin)
        _take_in_what_is_owed(customer, origin)
    _check_elsewhere(get_billing_gateway(customer.variant), owner, customer, plan_pk)


def take_in_what_runs(customer: Customer, origin: Origin) -> None:
    """Store what a customer has that is not known here, and look up what stands otherwise there than here.

    Raises:
        OtherAccount: the customer is of another account than the one that would be asked.
        ProviderError: the provider could not be asked.
    """
    gateway = billing_gateway_of(customer)
    try:
        found = {one.subscription_id: one for one in gateway.list_subscriptions(customer.provider_id or "")}
    except ProviderError as error:
        if not note_unheard_deletion(customer, error):
            raise
        found = {}
    rows = Subscription.objects.using(payments_database()).reachable()
    rows = rows.filter(customer=customer, variant=customer.variant)
    known = {row.provider_id: row for row in rows.exclude(provider_id=None)}
    for identifier, row in known.items():
        listed = found.get(identifier or "")
        if not row.has_ended and (listed is None or listed.status != row.status):
            # What is unknown there is noted by that, and counts until it is certain.
            with suppress(UnknownAtProvider):
                look_up_subscription(row.pk, origin)
    for identifier, listed in found.items():
        if identifier not in known and listed.status not in ENDED_SUBSCRIPTIONS:
            pk = _add(customer.pk, listed, origin)
            if pk is not None:
                look_up_subscription(pk, origin)


def _take_in_what_is_owed(customer: Customer, origin: Origin) -> None:
    """Store the open invoices of who has had something, of which no event has told, or has yet."""
    ended = Subscription.objects.using(payments_database()).reachable().has_ended().filter(customer=customer)
    if not ended.exclude(status=SubscriptionStatus.INCOMPLETE_EXPIRED).exists():
        return
    began = timezone.now()
    try:
        listed = billing_gateway_of(customer).list_invoices(customer.provider_id or "", status=InvoiceStatus.OPEN)
    except ProviderError as error:
        if not error.is_missing:
            raise
        return
    rows = Invoice.objects.using(payments_database()).open().filter(customer=customer, variant=customer.variant)
    known = set(rows.values_list("provider_id", flat=True))
    for invoice in listed:
        if invoice.subscription_id and invoice.invoice_id not in known:
            _add_invoice(customer.pk, invoice, began, origin)


@retry_on_deadlock
def _add_invoice(customer_pk: int, snapshot: InvoiceSnapshot, began: datetime, origin: Origin) -> None:
    with money_transaction():
        customer = lock_customer(customer_pk)
        rows = Subscription.objects.using(payments_database()).select_for_update()
        subscription = rows.filter(customer=customer, provider_id=snapshot.subscription_id).first()
        if subscription is None:
            return
        subscription.customer = customer
        try:
            store_invoice(subscription, snapshot, origin, looked_at=began)
        except SnapshotMismatch as mismatch:
            logger.error("The provider's answer contradicts invoice %s: %s.", snapshot.invoice_id, mismatch)


@retry_on_deadlock
def _add(customer_pk: int, snapshot: SubscriptionSnapshot, origin: Origin) -> int | None:
    """Store what was made elsewhere; ``None`` for what waits for the answer to a call of ours, or was stored since."""
    with money_transaction():
        customer = lock_customer(customer_pk)
        token = snapshot.metadata.get("token", "")
        subscription_id, customer_id = snapshot.subscription_id, snapshot.customer_id
        row = find_subscription_row([customer.variant], subscription_id, token=token, customer_id=customer_id)
        if row is not None or not customer.is_known_as(customer_id):
            return None
        return add_subscription(customer, snapshot, origin).pk


def _check_elsewhere(gateway: BillingGateway, owner: Any, customer: Customer, plan_pk: int) -> None:
    is_verified = get_adapter().has_verified_email(owner)
    for found in _with_address(gateway, owner_details(owner)["email"]):
        has_mark = found.metadata.get(OWNER_MARK) == str(customer.owner_id)
        if found.is_deleted or not (is_verified or has_mark) or _is_of_somebody(found, customer):
            continue
        if any(_is_rival(one, customer, plan_pk) for one in gateway.list_subscriptions(found.customer_id)):
            # Not a word of what is there: an address may be set by somebody else.
            raise WrongState(
                "The seller has to look at this before you can subscribe. Ask them to link what you have with them to "
                "your account.",
                code="subscribed_elsewhere",
            )


def _with_address(gateway: BillingGateway, email: str) -> Iterator[CustomerSnapshot]:
    """Yield the provider's customers with an e-mail address, once each, as it is written here and in lower case.

    Stripe compares exactly (https://docs.stripe.com/api/customers/list), and its own pages keep what was typed. Its
    search, which does not, lags behind by up to an hour and is not offered in every country
    (https://docs.stripe.com/api/customers/search): other capitals than these are not found.
    """
    seen = set()
    for address in dict.fromkeys(written for written in (email, email.lower()) if written):
        for found in gateway.list_customers(address):
            if found.customer_id not in seen:
                seen.add(found.customer_id)
                yield found


def _is_of_somebody(found: CustomerSnapshot, customer: Customer) -> bool:
    """Return whether a customer at the provider is the asking one, or another owner's, here or on another site."""
    rows = Customer.objects.using(payments_database()).filter(provider_id=found.customer_id, variant=customer.variant)
    owners = dict(rows.values_list("pk", "owner_id"))
    if owners:
        # The same owner's row of another account was not asked about what it has: that is as much a rival.
        return customer.pk in owners or bool(set(owners.values()) - {None, customer.owner_id})
    return found.metadata.get(OWNER_MARK) not in (None, "", str(customer.owner_id))


def _is_rival(found: SubscriptionSnapshot, customer: Customer, plan_pk: int) -> bool:
    if found.status in NOT_RUNNING:
        return False
    if gateway_settings.subscriptions_per_owner == "one":
        return True
    rows = PlanPricing.objects.using(payments_database()).filter(variant=customer.variant, plan=plan_pk)
    return rows.filter(stripe_price_id__in=[item.price_id for item in found.items]).exists()
