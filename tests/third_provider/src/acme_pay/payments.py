"""Payments through Acme Pay: the customer pays on its page, and its webhook says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from acme_pay.accounts import AcmeAccount
from acme_pay.client import call
from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways import (
    Failure,
    Gateway,
    PaymentRef,
    PaymentRequest,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
)
from django_stripe_gateway.models import RefundStatus

STATUSES = {
    "open": ProviderStatus.OPEN,
    "held": ProviderStatus.AUTHORIZED,
    "paid": ProviderStatus.SUCCEEDED,
    "void": ProviderStatus.CANCELED,
}
RECORDED = ("id", "object", "state", "amount", "taken", "currency", "reference")


class AcmeGateway(Gateway):
    """One account at Acme Pay."""

    provider = "acme"
    supports_redirect = True
    supports_manual_capture = True
    supports_partial_refund = True

    def __init__(self, account: AcmeAccount) -> None:
        self.account = account

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.account.variant}>"

    @property
    def livemode(self) -> bool:
        """No real money moves at Acme."""
        return False

    def create_payment(self, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Open a payment; its ``redirect_url`` is where the customer pays."""
        made = call(
            self.account,
            "open_payment",
            key=idempotency_key,
            amount=str(request.amount),
            currency=request.currency,
            hold=request.manual_capture,
            reference=dict(request.metadata),
            back=request.success_url,
        )
        return payment_snapshot(made)

    def find_payment(self, request: PaymentRequest, *, since: datetime) -> PaymentSnapshot | None:
        """Return the payment that an earlier attempt has opened."""
        found = call(self.account, "list", kind="payment", fields={"reference": dict(request.metadata)})
        return next(map(payment_snapshot, found), None)

    def confirm_payment(self, ref: PaymentRef, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Refuse: the customer confirms on Acme Pay's page."""
        raise UnsupportedByGateway("This payment is confirmed by the customer on Acme Pay's page.")

    def retrieve_payment(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask where a payment stands."""
        return payment_snapshot(call(self.account, "get_payment", payment=ref.object_id))

    def capture_payment(self, ref: PaymentRef, amount: Decimal, *, idempotency_key: str) -> PaymentSnapshot:
        """Take an authorised payment; a part of it cannot be taken."""
        total = self.retrieve_payment(ref).amount
        if total is not None and amount < total:
            raise UnsupportedByGateway("Acme Pay takes the whole of an authorised payment.")
        return payment_snapshot(
            call(self.account, "take", key=idempotency_key, payment=ref.object_id, amount=str(amount))
        )

    def cancel_payment(self, ref: PaymentRef, *, idempotency_key: str) -> PaymentSnapshot:
        """Close an unpaid payment, or release an authorised one."""
        return payment_snapshot(call(self.account, "void", key=idempotency_key, payment=ref.object_id))

    def refund_payment(
        self, ref: PaymentRef, amount: Decimal, *, reason: str, metadata: Mapping[str, str], idempotency_key: str
    ) -> RefundSnapshot:
        """Give back ``amount``; Acme Pay knows no reasons."""
        made = call(
            self.account,
            "give_back",
            key=idempotency_key,
            payment=ref.object_id,
            amount=str(amount),
            reference=dict(metadata),
        )
        return refund_snapshot(made)

    def list_refunds(self, ref: PaymentRef) -> Sequence[RefundSnapshot]:
        """Return all refunds of a payment."""
        return [refund_snapshot(one) for one in call(self.account, "list_refunds", payment=ref.object_id)]


def payment_snapshot(obj: Mapping[str, Any]) -> PaymentSnapshot:
    """Return the snapshot of a payment, as calls answer with it and events carry it."""
    status = STATUSES[obj["state"]]
    is_paid = status == ProviderStatus.SUCCEEDED
    page = {"open": "open", "void": "expired"}.get(obj["state"], "complete")
    return PaymentSnapshot(
        kind="acme.payment",
        is_session=True,
        status=status,
        object_id=obj["id"],
        intent_id=obj["id"],
        amount=Decimal(obj["amount"]),
        amount_received=Decimal(obj["taken"]) if is_paid else None,
        currency=obj["currency"],
        livemode=False,
        redirect_url=obj["page"],
        failure=Failure(obj["problem"], obj["problem"], "The card was declined.") if obj["problem"] else None,
        raw={name: obj[name] for name in RECORDED} | {"url": obj["page"], "status": page},
    )


def refund_snapshot(obj: Mapping[str, Any]) -> RefundSnapshot:
    """Return the snapshot of a refund."""
    return RefundSnapshot(
        refund_id=obj["id"],
        status=RefundStatus.SUCCEEDED,
        amount=Decimal(obj["amount"]),
        currency=obj["currency"],
        intent_id=obj["payment"],
        metadata=dict(obj["reference"]),
    )
