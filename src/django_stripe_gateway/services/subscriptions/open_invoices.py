"""What is late is paid before more is sold: more of the same subscription, or another after its end.

Stripe's status follows the latest invoice. A small one that is paid would make one current whose renewal is open, and a
subscription that ends leaves its open invoices as they are, to be paid at any time
(https://docs.stripe.com/billing/subscriptions/cancel). The provider is asked before anything is refused for it: what
was paid a moment ago may not be known here. What the seller has voided, or given up, is not owed. What is paid by a
debit that takes days is not late, nor to be paid once more; but who has failed before, or waits for several, waits
until they are decided: else a row of debits that fail would be worth as much as money.
"""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from django_stripe_gateway.choices import InvoiceStatus, SubscriptionStatus
from django_stripe_gateway.exceptions import ProviderError, ProviderStateError, WrongState
from django_stripe_gateway.gateways.billing_values import SubscriptionChange
from django_stripe_gateway.models import Customer, Invoice, Subscription, SubscriptionItem
from django_stripe_gateway.services.accounts import is_perhaps_elsewhere
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.credits import is_made
from django_stripe_gateway.services.subscriptions.invoices import look_up_invoice
from django_stripe_gateway.services.subscriptions.line import CustomerClaim
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS


def check_not_paused(subscription: Subscription, proration: str) -> None:
    """Raise ``WrongState`` ("paused") if a change would be invoiced that nobody collects.

    Stripe makes whatever is invoiced during a pause void, uncollectible or a draft
    (https://docs.stripe.com/billing/subscriptions/pause-payment): more would be had for nothing, and a credit be lost.
    """
    if subscription.pause_behavior and proration != "none":
        sentence = "Collection of this subscription is paused. Let it go on first, or change it at the period's end."
        raise WrongState(sentence, code="paused")


def check_nothing_late(claim: CustomerClaim, change: SubscriptionChange) -> None:
    """Raise if a change charges more at once while an invoice of the subscription is late.

    Raises:
        ProviderStateError: an invoice is to be paid first ("open_invoice"), or its payment, after one that has failed,
            or several are, is under way ("payment_under_way").
    """
    seen: Subscription = claim.seen
    if change.proration == "none" or not _may_be_late(seen) or not _adds(seen, change):
        return
    invoices = claim.gateway.list_invoices(claim.subject.provider_id or "", status=InvoiceStatus.OPEN)
    now = timezone.now()
    of_it = [one for one in invoices if one.subscription_id == seen.provider_id]
    late = [one for one in of_it if one.late_since is None or one.late_since <= now]
    if not late:
        return
    found = claim.gateway.retrieve_subscription(seen.provider_id or "")
    if claim.operation.attempts > 1 and is_made(found, change):
        return
    has_failed = SubscriptionStatus.PAST_DUE in (found.status, seen.status) or seen.past_due_since is not None
    under_way = 0
    for invoice in reversed(late):
        if found.is_owed(invoice):
            is_under_way = claim.gateway.retrieve_invoice(invoice.invoice_id).is_under_way is True
            under_way += is_under_way
            if has_failed or not is_under_way or under_way > 1:
                raise ProviderStateError(**_refusal(invoice.invoice_id, is_under_way=is_under_way))


def check_nothing_owed(customer: Customer, origin: Origin) -> None:
    """Raise ``WrongState`` if an invoice of what has ended is late; no lock may be held.

    That of what never began is not: nobody has had anything of it.

    Raises:
        WrongState: it is to be paid first ("open_invoice"), or payments of several, or after one that has failed, are
            under way ("payment_under_way").
        ProviderError: the provider could not be asked; then nothing may be started either.
    """
    rows = Invoice.objects.using(payments_database()).owed().filter(customer=customer)
    ended = rows.filter(subscription__status__in=ENDED_SUBSCRIPTIONS, subscription__lost=None)
    # What is sent to be paid later begins all the same.
    unbegun = Q(billing_reason="subscription_create", subscription__first_paid_at__isnull=True)
    unbegun &= ~Q(subscription__collection_method="send_invoice")
    unbegun |= Q(subscription__status=SubscriptionStatus.INCOMPLETE_EXPIRED)
    # After a trial that nobody paid for, nothing was valid; what is charged by use may have been used in it.
    by_use = SubscriptionItem.objects.using(payments_database()).filter(subscription=OuterRef("subscription"))
    tried = Q(subscription__first_paid_at__isnull=True, subscription__trial_end__isnull=False)
    unbegun |= tried & ~Q(Exists(by_use.filter(is_metered=True)))
    under_way = []
    for invoice in ended.exclude(unbegun).order_by("pk"):
        if not invoice.is_of_configured_account or _is_to_come(invoice):
            continue
        try:
            current = look_up_invoice(invoice.pk, origin)
        except ProviderError as error:
            if not error.is_missing or is_perhaps_elsewhere(invoice):
                raise
            # What the provider does not know, nobody can pay.
            continue
        if not current.is_open or _is_to_come(current):
            continue
        if not current.is_under_way:
            raise WrongState(**_refusal(current.provider_id, is_under_way=False))
        under_way.append(current)
    if len(under_way) > 1 or any(one.attempt_count > 1 for one in under_way):
        raise WrongState(**_refusal(under_way[0].provider_id, is_under_way=True))


def check_not_under_way(unpaid: Subscription, origin: Origin) -> None:
    """Raise ``WrongState`` ("payment_under_way") if the first payment of a subscription was made, and takes days."""
    first = Invoice.objects.using(payments_database()).open().filter(subscription=unpaid)
    for invoice in first.filter(provider_id=unpaid.latest_invoice_id):
        if look_up_invoice(invoice.pk, origin).is_under_way:
            raise WrongState(**_refusal(invoice.provider_id, is_under_way=True))


def _is_to_come(invoice: Invoice) -> bool:
    return invoice.due is not None and invoice.due > timezone.now()


def _may_be_late(subscription: Subscription) -> bool:
    """Return whether an invoice may be open, as far as is known here; what is current costs nobody a call."""
    if subscription.status == SubscriptionStatus.PAST_DUE or subscription.past_due_since is not None:
        return True
    rows = Invoice.objects.using(payments_database()).filter(subscription=subscription)
    return rows.open().exists()


def _adds(subscription: Subscription, change: SubscriptionChange) -> bool:
    """Return whether a change may charge more at once, as far as is known here."""
    rows = SubscriptionItem.objects.using(payments_database()).filter(subscription=subscription)
    quantities = {row.provider_id: row.quantity for row in rows}
    return any(
        not one.is_removed
        and (not one.item_id or one.price_id is not None or (one.quantity or 0) > quantities.get(one.item_id, 0))
        for one in change.items
    )


def _refusal(invoice_id: str, *, is_under_way: bool) -> dict[str, str]:
    if is_under_way:
        detail = f"A payment of the invoice {invoice_id} is under way. Wait until it is decided; do not pay it again."
        return {"detail": detail, "code": "payment_under_way"}
    detail = f"The invoice {invoice_id} is open. Pay it first, with invoices/{invoice_id}/pay/."
    return {"detail": detail, "code": "open_invoice"}
