"""When customers are written to: each function stores one kind of e-mail, in the transaction of what it tells.

What follows a signal is registered for it. What has none of its own, or depends on who made the change, is called.
Of what is over nobody is told once it is old, however late it is found. Of what is to come everybody is, until then.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from django.utils import timezone

from django_stripe_gateway import signals
from django_stripe_gateway.choices import InvoiceStatus, LogSource, MailKind, OperationKind
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import (
    AbstractPayment,
    Invoice,
    InvoiceRefund,
    KnownCard,
    PaymentOperation,
    Refund,
    Subscription,
    get_payment_model,
)
from django_stripe_gateway.services.audit import writes_with
from django_stripe_gateway.services.mails.outbox import is_mailed, store_mail
from django_stripe_gateway.services.moments import told_moment
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.transactions import payments_database

# Invoices of what a customer does on a page: whoever stands there sees what has become of the payment.
AT_THE_PAGE = ("subscription_create", "subscription_update")


@writes_with(signals.payment_confirmed)
def write_paid_payment(payment: AbstractPayment, **kwargs: object) -> None:
    """Tell whoever has paid once that their money has come.

    A page can have been asked for an invoice of it (``invoice_creation``): whichever of both comes first tells of it.
    """
    if not payment.captured_amount or not is_mailed(MailKind.PAID, livemode=payment.livemode):
        return
    invoices = Invoice.objects.using(payments_database()).filter(variant=payment.variant, status=InvoiceStatus.PAID)
    if not (payment.intent_id and invoices.filter(intent_id=payment.intent_id).exists()):
        store_mail(MailKind.PAID, f"payment:{payment.pk}", about=payment, happened=told_moment())


def write_paid_invoice(invoice: Invoice) -> None:
    """Tell a customer that an invoice was paid with money: the first one, or that of a renewal."""
    if invoice.amount_paid <= 0 or not is_mailed(MailKind.PAID, livemode=invoice.livemode):
        return
    payments = get_payment_model()._default_manager.using(payments_database())
    paid = payments.filter(variant=invoice.variant, intent_id=invoice.intent_id, captured_amount__gt=0)
    if not (invoice.intent_id and paid.exists()):
        store_mail(MailKind.PAID, f"invoice:{invoice.pk}", about=invoice, happened=invoice.paid_at or told_moment())


@writes_with(signals.payment_refunded)
def write_refunded_payment(payment: AbstractPayment, refund: Refund, amount: Decimal, **kwargs: object) -> None:
    """Tell whoever has paid once that money is on its way back."""
    data = {"amount": str(amount), "currency": payment.currency}
    store_mail(MailKind.REFUNDED, f"refund:{refund.pk}", about=payment, data=data, happened=told_moment())


@writes_with(signals.invoice_refunded)
def write_refunded_invoice(invoice: Invoice, refund: InvoiceRefund, amount: Decimal, **kwargs: object) -> None:
    """Tell a customer that money of an invoice is on its way back."""
    data = {"amount": str(amount), "currency": invoice.currency}
    occurrence = f"invoice-refund:{refund.pk}"
    store_mail(MailKind.REFUNDED, occurrence, about=invoice, data=data, happened=told_moment())


@writes_with(signals.payment_failed)
def write_failed_payment(payment: AbstractPayment, **kwargs: object) -> None:
    """Tell whoever was charged while they were away that it has failed; who stands at the page sees that."""
    if not is_mailed(MailKind.PAYMENT_FAILED, livemode=payment.livemode):
        return
    tried = _last_tried(payment)
    if tried is not None and tried.kind == OperationKind.CHARGE:
        occurrence = f"payment:{payment.pk}:{tried.pk}"
        store_mail(MailKind.PAYMENT_FAILED, occurrence, about=payment, happened=told_moment() or tried.created)


@writes_with(signals.payment_action_required)
def write_payment_action_required(payment: AbstractPayment, **kwargs: object) -> None:
    """Ask whoever was charged while they were away to confirm it."""
    tried = _last_tried(payment)
    happened = told_moment() or (None if tried is None else tried.created)
    store_mail(MailKind.ACTION_REQUIRED, f"payment:{payment.pk}", about=payment, happened=happened)


def _last_tried(payment: AbstractPayment) -> PaymentOperation | None:
    tried: PaymentOperation | None = payment.operations.using(payments_database()).order_by("-pk").first()
    return tried


@writes_with(signals.subscription_payment_failed)
def write_failed_invoice(subscription: Subscription | None, invoice: Invoice, **kwargs: object) -> None:
    """Tell a customer that an invoice could not be charged, once for each of the provider's attempts."""
    if invoice.billing_reason not in AT_THE_PAGE:
        occurrence = f"invoice:{invoice.pk}:attempt-{invoice.attempt_count}"
        store_mail(MailKind.PAYMENT_FAILED, occurrence, about=invoice, happened=told_moment())


def write_action_required(invoice: Invoice, origin: Origin) -> None:
    """Ask a customer to confirm a payment, unless they have just tried to make it themselves."""
    if invoice.billing_reason not in AT_THE_PAGE and origin.source != LogSource.API:
        occurrence = f"invoice:{invoice.pk}:attempt-{invoice.attempt_count}"
        # What the provider goes on to try is no history, whenever it is found.
        is_tried = invoice.next_payment_attempt is not None and invoice.next_payment_attempt > timezone.now()
        happened = told_moment() or (None if is_tried else invoice.issued)
        store_mail(MailKind.ACTION_REQUIRED, occurrence, about=invoice, happened=happened)


@writes_with(signals.subscription_trial_ending)
def write_trial_ending(subscription: Subscription, **kwargs: object) -> None:
    """Tell a customer when their trial ends, once for each end."""
    end = subscription.trial_end
    if end is not None and not subscription.is_cancelled:
        occurrence = f"subscription:{subscription.pk}:{end:%Y%m%dT%H%M%S}"
        store_mail(MailKind.TRIAL_ENDING, occurrence, about=subscription, data={"moment": end.isoformat()})


@writes_with(signals.subscription_renewal_coming)
def write_renewal_coming(
    subscription: Subscription, renews_at: datetime, amount: Decimal, currency: str, **kwargs: object
) -> None:
    """Tell a customer when a long period renews, and what that costs, once for each period."""
    start = subscription.current_period_start
    if start is None or (renews_at - start).days < gateway_settings.mail_renewal_days:
        return
    data = {"moment": renews_at.isoformat(), "amount": str(amount), "currency": currency}
    occurrence = f"subscription:{subscription.pk}:{renews_at:%Y%m%d}"
    store_mail(MailKind.RENEWAL_COMING, occurrence, about=subscription, data=data)


@writes_with(signals.card_expiring)
def write_card_expiring(
    card: KnownCard, expires: date, subscriptions: Iterable[Subscription], **kwargs: object
) -> None:
    """Tell a customer that what they are charged on expires, once for each expiry."""
    data = {"card": card.pk, "brand": card.brand, "last4": card.last4, "expires": expires.isoformat()}
    data["subscriptions"] = [subscription.pk for subscription in subscriptions]
    store_mail(MailKind.CARD_EXPIRING, f"card:{card.pk}:{expires:%Y%m}", about=card.customer, data=data)
