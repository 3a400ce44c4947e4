"""What a provider has kept of a payment: asked for when somebody wants to know, and kept from then on."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.fee_values import FeeDetail, FeesSnapshot, RefundFees
from django_stripe_gateway.models import AbstractPayment, PaymentFees
from django_stripe_gateway.services.accounts import gateway_of
from django_stripe_gateway.services.payments.refresh import payment_ref
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.transitions import PAID


def fetch_fees(*, payment: AbstractPayment, with_refunds: bool = False) -> FeesSnapshot | None:
    """Return what the provider has kept of a payment; it is asked once, and what it says is stored.

    For the seller: what customers are shown holds nothing of it.

    Args:
        with_refunds: also what the payment's refunds have taken; asked again when more was refunded since.

    Returns:
        The fees, in the currency that the payment was settled in. ``None`` while there is nothing to say: it is not
        paid, or the provider has not booked it, as for some hours after a capture.

    Raises:
        UnsupportedByGateway: the provider does not say.
        OtherAccount: the payment is of another account than the one that would be asked.
        ProviderError: the provider refused or failed.
    """
    if payment.status not in PAID or not payment.transaction_id:
        return None
    stored = PaymentFees.objects.using(payments_database()).filter(payment_id=payment.pk).first()
    if stored is not None and (not with_refunds or stored.refunded_amount == payment.refunded_amount):
        return _as_value(stored)
    gateway = gateway_of(payment)
    if not gateway.supports_fees:
        raise UnsupportedByGateway("This gateway does not say what it keeps of a payment.")
    snapshot = gateway.retrieve_fees(payment_ref(payment), with_refunds=with_refunds)
    if snapshot is not None:
        _store(payment, snapshot)
    return snapshot


def stored_fees(payment: AbstractPayment) -> FeesSnapshot | None:
    """Return what is known of a payment's fees, without asking anybody."""
    row = PaymentFees.objects.filter(payment_id=payment.pk).first()
    return None if row is None else _as_value(row)


@retry_on_deadlock
def _store(payment: AbstractPayment, snapshot: FeesSnapshot) -> None:
    """Write what was said; of two who have asked at once either may write it."""
    values = {
        "currency": snapshot.currency,
        "amount": snapshot.amount,
        "fee": snapshot.fee,
        "net": snapshot.net,
        "exchange_rate": snapshot.exchange_rate,
        "available_on": snapshot.available_on,
        "details": [asdict(detail) | {"amount": str(detail.amount)} for detail in snapshot.details],
    }
    if snapshot.refunds is not None:
        values |= {
            "refund_fee": snapshot.refunds.fee,
            "refund_net": snapshot.refunds.net,
            # As it was before the provider was asked: of what came since nothing may be missed.
            "refunded_amount": payment.refunded_amount,
        }
    with money_transaction():
        PaymentFees.objects.using(payments_database()).update_or_create(payment_id=payment.pk, defaults=values)


def _as_value(row: PaymentFees) -> FeesSnapshot:
    refunds = None
    if row.refund_fee is not None and row.refund_net is not None:
        refunds = RefundFees(row.refund_fee, row.refund_net)
    return FeesSnapshot(
        currency=row.currency,
        amount=row.amount,
        fee=row.fee,
        net=row.net,
        exchange_rate=row.exchange_rate,
        available_on=row.available_on,
        details=tuple(FeeDetail(**detail | {"amount": Decimal(detail["amount"])}) for detail in row.details),
        refunds=refunds,
    )
