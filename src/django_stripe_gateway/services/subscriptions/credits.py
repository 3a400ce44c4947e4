"""What is unused is credited only where what it is the unused part of was paid, and no more than was paid for it.

Stripe credits the rest of a period whether or not its invoice was paid
(https://docs.stripe.com/billing/subscriptions/credit-proration-deferral), and a credit pays the next subscription. So
the provider is asked for the invoices before anything is credited: what is known here can be late.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from django.utils import timezone

from django_stripe_gateway.choices import InvoiceStatus
from django_stripe_gateway.exceptions import ProviderStateError
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import (
    InvoiceSnapshot,
    ItemChange,
    SubscriptionChange,
    SubscriptionItemSnapshot,
    SubscriptionSnapshot,
)
from django_stripe_gateway.models import Subscription, SubscriptionItem
from django_stripe_gateway.money import currency_format
from django_stripe_gateway.services.subscriptions.line import CustomerClaim
from django_stripe_gateway.services.transactions import payments_database

# What a change costs is invoiced for this reason.
OF_A_CHANGE = "subscription_update"
WITHOUT_CREDIT = "a change at the period's end, an end without a credit or, for the seller, the proration “none”"


def check_claimed_credit(
    claim: CustomerClaim, change: SubscriptionChange, found: SubscriptionSnapshot | None = None
) -> None:
    """Raise as ``check_credit`` does, unless an earlier attempt has made the change: once more credits nothing.

    What that attempt was charged may be the very invoice that is open.

    Args:
        found: what the provider says of the subscription, if it was asked just now.
    """
    if not _would_credit(claim.seen, change):
        return
    if claim.operation.attempts > 1:
        found = found or claim.gateway.retrieve_subscription(claim.seen.provider_id)
        if is_made(found, change):
            return
    check_paid(claim.gateway, claim.seen, since=change.proration_date, found=found)


def check_credit(gateway: BillingGateway, subscription: Subscription, change: SubscriptionChange) -> None:
    """Raise ``ProviderStateError`` if a change would credit what was not paid, as ``check_paid`` says."""
    if _would_credit(subscription, change):
        check_paid(gateway, subscription, since=change.proration_date)


def check_paid(
    gateway: BillingGateway,
    subscription: Subscription,
    *,
    since: datetime | None = None,
    found: SubscriptionSnapshot | None = None,
) -> None:
    """Raise if what would be credited was not paid.

    Args:
        since: from when on the rest is credited; ``None`` for now.
        found: what the provider says of the subscription, if it was asked just now.

    Raises:
        ProviderStateError: an invoice of that time is to be paid ("open_invoice"), or never will be, or less was paid
            than would be credited ("unpaid_period").
    """
    moment = since or timezone.now()
    customer_id = subscription.customer.provider_id or ""
    invoices = [one for one in gateway.list_invoices(customer_id) if one.subscription_id == subscription.provider_id]
    for invoice in filter(_is_unpaid, invoices):
        if _charges_after(gateway, invoice, moment) and not _waits_with_its_change(gateway, invoice):
            raise _refusal(invoice)
    if gateway.supports_preview:
        paid = [one for one in invoices if one.status == InvoiceStatus.PAID]
        _check_covered(gateway, subscription, paid, moment, found)


def _check_covered(
    gateway: BillingGateway,
    subscription: Subscription,
    invoices: Sequence[InvoiceSnapshot],
    since: datetime,
    found: SubscriptionSnapshot | None,
) -> None:
    """Raise if the rest of what runs would be credited with more than was paid for it, and not given back since.

    The flexible billing mode credits what was paid. The classic one, of what was begun with an older version of the API
    or elsewhere, credits by the price and the discounts of now, whatever lowered the price before
    (https://docs.stripe.com/billing/subscriptions/billing-mode/compare). Neither knows of refunds or disputes. All of
    the rest is looked at, whichever part a change would credit: so what is left after it is covered, too.
    """
    provider_id = subscription.provider_id or ""
    given_back = {one.invoice_id: _given_back(gateway, one) for one in invoices if _charges_after(gateway, one, since)}
    found = found or gateway.retrieve_subscription(provider_id)
    if found.billing_mode == "flexible" and not any(given_back.values()):
        return
    end = gateway.preview_end(provider_id, subscription.customer.provider_id or "")
    prorated = [line for line in end.lines if line.is_proration]
    # What waits since an earlier change is of a time that has passed, too: the provider's present is the last of these.
    starts = [line.period_start for line in prorated if line.amount < 0 and line.period_start]
    moment = max(starts, default=timezone.now())
    # Of a preview with many lines only the first are told.
    known = -sum((line.net_after(moment) for line in prorated), Decimal(0))
    credit = known if end.has_all_lines else end.sellers_items - end.total
    paid, count = Decimal(0), len(prorated)
    for invoice in invoices:
        lines = invoice.lines if invoice.has_all_lines else gateway.list_invoice_lines(invoice.invoice_id)
        of_rest = sum((line.net_after(moment) for line in lines), Decimal(0))
        paid += of_rest - min(given_back.get(invoice.invoice_id, Decimal(0)), max(of_rest, Decimal(0)))
        count += len(lines)
    # The provider rounds each line.
    if credit > paid + count * Decimal(1).scaleb(-currency_format(end.currency).decimals):
        raise ProviderStateError(
            "Less was paid for what is left of the period than would be credited for it, because of a discount, "
            f"a refund or a dispute for instance. Ask for what gives no credit: {WITHOUT_CREDIT}.",
            code="unpaid_period",
        )


def _given_back(gateway: BillingGateway, invoice: InvoiceSnapshot) -> Decimal:
    """Return what of an invoice was not paid, or not for good; a customer's credit that has paid it counts as money."""
    noted = invoice.amount_waived + invoice.amount_given_back
    return noted + gateway.given_back_directly(invoice.invoice_id) if invoice.amount_paid > 0 else noted


def _would_credit(subscription: Subscription, change: SubscriptionChange) -> bool:
    """Return whether a change gives back what is left of a period, as far as is known here."""
    if change.proration == "none":
        return False
    if not change.items:
        return change.cancel_at is not None
    rows = SubscriptionItem.objects.using(payments_database()).filter(subscription=subscription)
    items = {row.provider_id: row for row in rows}
    return any(_credits_item(items, wanted) for wanted in change.items)


def _credits_item(items: dict[str, SubscriptionItem], wanted: ItemChange) -> bool:
    if not wanted.item_id:
        return False
    item = items.get(wanted.item_id)
    if item is None:
        return True
    if wanted.price_id is None and not wanted.is_removed and item.amount is not None:
        # In tiers, more can cost less.
        return wanted.quantity is not None and wanted.quantity <= item.quantity and item.amount != 0
    # Another interval begins the periods of all items anew.
    concerned = [item] if wanted.price_id is None else items.values()
    return any(not one.is_metered and one.amount != 0 for one in concerned)


def is_made(found: SubscriptionSnapshot, change: SubscriptionChange) -> bool:
    """Return whether a subscription is at the provider as a change would make it, or will be once that is paid."""
    if not change.items and change.cancel_at is None:
        return False
    if change.cancel_at is not None:
        has_end = found.cancel_at == change.cancel_at.replace(microsecond=0)
    else:
        has_end = change.cancel_at_period_end in (None, found.cancel_at_period_end)
    is_waiting = bool(found.pending_items) and _has_items(found.pending_items, change)
    return has_end and (is_waiting or _has_items(found.items, change))


def _has_items(found: Sequence[SubscriptionItemSnapshot], change: SubscriptionChange) -> bool:
    items = {item.item_id: item for item in found}
    sold = {item.price_id: item for item in found}
    return all(
        _is_as_wanted(items.get(one.item_id) if one.item_id else sold.get(one.price_id or ""), one)
        for one in change.items
    )


def _is_as_wanted(item: SubscriptionItemSnapshot | None, wanted: ItemChange) -> bool:
    if item is None or wanted.is_removed:
        return item is None and wanted.is_removed
    return wanted.price_id in (None, item.price_id) and wanted.quantity in (None, item.quantity)


def _is_unpaid(invoice: InvoiceSnapshot) -> bool:
    """Return whether an invoice is to be paid, or never will be."""
    if invoice.status == InvoiceStatus.PAID or invoice.total <= 0:
        return False
    # The seller's own are for something else, but for prorations that they have invoiced early.
    if invoice.is_sellers_own and not any(line.item_id for line in invoice.lines):
        return False
    # A change that nobody has paid for was never made: its invoice is void, and credits of it there are none.
    was_given_up = (
        invoice.status == InvoiceStatus.VOID and invoice.billing_reason == OF_A_CHANGE and invoice.attempt_count > 0
    )
    return not was_given_up


def _charges_after(gateway: BillingGateway, invoice: InvoiceSnapshot, moment: datetime) -> bool:
    """Return whether an invoice charges for any time after a moment, of which alone something can be credited.

    What was used, and a period that is over, may be owed for long while the present one is paid.
    """
    lines = invoice.lines if invoice.has_all_lines else gateway.list_invoice_lines(invoice.invoice_id)
    return any(line.charges_after(moment) for line in lines)


def _waits_with_its_change(gateway: BillingGateway, invoice: InvoiceSnapshot) -> bool:
    """Return whether an invoice is that of a change which is made once it is paid; another one takes its place."""
    if invoice.status != InvoiceStatus.OPEN or invoice.billing_reason != OF_A_CHANGE:
        return False
    found = gateway.retrieve_subscription(invoice.subscription_id)
    return found.has_pending_update and found.latest_invoice_id == invoice.invoice_id


def _refusal(invoice: InvoiceSnapshot) -> ProviderStateError:
    if invoice.status in (InvoiceStatus.DRAFT, InvoiceStatus.OPEN):
        # Stripe charges a renewal about an hour after it has drawn up the invoice.
        first = "Pay it first" if invoice.status == InvoiceStatus.OPEN else "Try again once it is charged, in an hour"
        return ProviderStateError(
            f"The invoice {invoice.invoice_id} is not paid yet, and a part of it would be credited. {first}, or "
            f"ask for what gives no credit: {WITHOUT_CREDIT}.",
            code="open_invoice",
        )
    return ProviderStateError(
        f"What is left of the period was never paid: its invoice {invoice.invoice_id} is {invoice.status}. Ask for "
        f"what gives no credit: {WITHOUT_CREDIT}.",
        code="unpaid_period",
    )
