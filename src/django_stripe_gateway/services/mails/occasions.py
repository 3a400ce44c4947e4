"""What an e-mail tells at the moment it is sent, and whether it is still true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from django_stripe_gateway.choices import MailKind, MailState
from django_stripe_gateway.models import KnownCard, MailMessage, Subscription
from django_stripe_gateway.services.transactions import payments_database

#: In the data of an e-mail: when that was of which it tells, where that is known.
HAPPENED = "happened"
#: What templates get beside what all of them get; amounts and days are written by ``letters``.
Facts = dict[str, Any]


class NotNeeded(Exception):
    """An e-mail would tell what is not so, or not so any more."""


def facts_of(mail: MailMessage) -> Facts:
    """Return what an e-mail tells.

    Raises:
        NotNeeded: there is nothing to tell any more; the text says why.
    """
    subject = mail.payment or mail.invoice or mail.subscription or mail.customer
    if subject is None or not subject.is_of_configured_account:
        raise NotNeeded("it is of another account or mode")
    return READERS[mail.kind](mail)


def _paid(mail: MailMessage) -> Facts:
    if mail.payment is not None:
        payment = mail.payment
        return {"amount": payment.captured_amount, "currency": payment.currency, "moment": _happened(mail)}
    invoice: Any = mail.invoice
    return {
        "amount": invoice.amount_paid,
        "currency": invoice.currency,
        "moment": invoice.paid_at or mail.created,
        "link": invoice.hosted_url,
    }


def _refunded(mail: MailMessage) -> Facts:
    paid = mail.payment.captured_amount if mail.payment is not None else mail.invoice.amount_paid  # type: ignore[union-attr]
    amount = Decimal(mail.data["amount"])
    return {"amount": amount, "currency": mail.data["currency"], "moment": _happened(mail), "is_full": amount >= paid}


def _payment_failed(mail: MailMessage) -> Facts:
    return _waiting_payment(mail) if mail.invoice is None else _open_invoice(mail)


def _action_required(mail: MailMessage) -> Facts:
    return _waiting_payment(mail) if mail.invoice is None else _open_invoice(mail)


def _waiting_payment(mail: MailMessage) -> Facts:
    payment: Any = mail.payment
    if not payment.is_payable:
        # Nor is a hold a failure that has run out, or was released at the provider: nobody is to pay it any more.
        raise NotNeeded("it is paid, or was cancelled")
    # It was charged without its customer, who goes on there.
    return {"amount": payment.total, "currency": payment.currency, "link": payment.get_confirmation_url()}


def _open_invoice(mail: MailMessage) -> Facts:
    invoice: Any = mail.invoice
    if not invoice.is_open:
        raise NotNeeded(f"the invoice is {invoice.status}")
    _verify_only_one(mail)
    return {
        "amount": invoice.amount_remaining or invoice.amount_due,
        "currency": invoice.currency,
        "next_attempt": _future(invoice.next_payment_attempt),
        "link": invoice.hosted_url,
    }


def _verify_only_one(mail: MailMessage) -> None:
    """Raise ``NotNeeded`` if another kind tells of the same attempt: it has failed, and it is to be confirmed."""
    occurrence = mail.key.partition(":")[2]
    other = {MailKind.PAYMENT_FAILED: MailKind.ACTION_REQUIRED, MailKind.ACTION_REQUIRED: MailKind.PAYMENT_FAILED}
    rows = MailMessage.objects.using(payments_database()).filter(key=f"{other[MailKind(mail.kind)]}:{occurrence}")
    states = [MailState.SENT, MailState.SENDING, MailState.UNKNOWN]
    if mail.kind == MailKind.PAYMENT_FAILED:
        # Of two that wait, the one that says what to do.
        states.append(MailState.PENDING)
    if rows.filter(state__in=states).exists():
        raise NotNeeded("another e-mail tells of it")


def _trial_ending(mail: MailMessage) -> Facts:
    subscription: Any = mail.subscription
    end = parse_datetime(mail.data["moment"])
    if not subscription.on_trial or subscription.is_cancelled or subscription.trial_end != end:
        raise NotNeeded("the trial is over, was moved, or is followed by nothing")
    pricing, items = subscription.pricing, list(subscription.items.using(payments_database())[:2])
    is_known = pricing is not None and pricing.usage_type != "metered" and not subscription.discounts
    # Add-ons cost something, too; and a price can be charged in another currency than the catalogue says it in.
    is_known = is_known and len(items) <= 1 and not any(item.is_in_other_currency for item in items)
    cost = pricing.amount * subscription.quantity if is_known else None
    return {"moment": end, "amount": cost, "currency": "" if pricing is None else pricing.currency}


def _renewal_coming(mail: MailMessage) -> Facts:
    subscription: Any = mail.subscription
    moment = parse_datetime(mail.data["moment"])
    if not subscription.is_reachable or subscription.is_cancelled or _future(moment) is None:
        raise NotNeeded("it does not renew, or has done so")
    return {
        "moment": moment,
        "amount": Decimal(mail.data["amount"]),
        "currency": mail.data["currency"],
        "is_sent": subscription.collection_method == "send_invoice",
    }


def _card_expiring(mail: MailMessage) -> Facts:
    expires = date.fromisoformat(mail.data["expires"])
    using = payments_database()
    card = KnownCard.objects.using(using).filter(pk=mail.data["card"], expires=expires).first()
    if card is None:
        raise NotNeeded("the card was replaced or removed")
    charged = Subscription.objects.using(using).filter(pk__in=mail.data["subscriptions"])
    charged = charged.select_related("plan", "customer")
    running = [one for one in charged if not one.is_cancelled and _charged_on(one) == card.provider_id]
    if not running:
        raise NotNeeded("nothing is charged on it")
    return {"brand": card.brand, "last4": card.last4, "expires": expires, "subscription": running[0]}


def _charged_on(subscription: Subscription) -> str:
    """Return what a subscription is charged on now: its own, or else its customer's default."""
    return subscription.default_payment_method or subscription.customer.default_payment_method


def _happened(mail: MailMessage) -> datetime:
    """Return when that was of which an e-mail tells: before it was found here, or just then."""
    said = parse_datetime(mail.data.get(HAPPENED, ""))
    # Of what takes days the latest that can be is known, which may be to come.
    return mail.created if said is None else min(said, mail.created)


def _future(moment: datetime | None) -> datetime | None:
    return moment if moment is not None and moment > timezone.now() else None


READERS: Mapping[str, Callable[[MailMessage], Facts]] = {
    MailKind.PAID: _paid,
    MailKind.REFUNDED: _refunded,
    MailKind.PAYMENT_FAILED: _payment_failed,
    MailKind.ACTION_REQUIRED: _action_required,
    MailKind.TRIAL_ENDING: _trial_ending,
    MailKind.RENEWAL_COMING: _renewal_coming,
    MailKind.CARD_EXPIRING: _card_expiring,
}
