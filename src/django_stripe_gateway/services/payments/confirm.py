"""Confirm a payment: charge a payment method, or carry on after the customer has authenticated."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import OperationKind, OperationState, PaymentStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayError, PaymentDeclined, WrongState
from django_stripe_gateway.gateways.values import Failure, PaymentSnapshot, ProviderStatus
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.accounts import gateway_of
from django_stripe_gateway.services.operations.engine import is_unanswered, run, scoped_request_key
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.customers import check_confirming
from django_stripe_gateway.services.payments.line import (
    PaymentClaim,
    SnapshotVerb,
    ask_host_about,
    payment_request,
)
from django_stripe_gateway.services.payments.refresh import payment_ref
from django_stripe_gateway.services.payments.sync import apply_snapshot


class ConfirmVerb(SnapshotVerb):
    """Charge a payment method."""

    kind = OperationKind.CONFIRM
    done = frozenset(
        {
            ProviderStatus.SUCCEEDED,
            ProviderStatus.AUTHORIZED,
            ProviderStatus.PROCESSING,
            ProviderStatus.REQUIRES_ACTION,
        }
    )

    def check(self, claim: PaymentClaim) -> None:
        """Let only a started payment be confirmed, and only where that is not done on the provider's page.

        What is charged, and where the customer comes back to, is chosen here.
        """
        payment, gateway = claim.subject, claim.gateway
        if not gateway.supports_confirm:
            raise WrongState(
                "This payment is confirmed by its customer, on the provider's page.", code="not_confirmable"
            )
        if not payment.is_payable:
            raise WrongState(f"A payment that is {payment.status} cannot be confirmed.")
        if not payment.transaction_id:
            raise WrongState("This payment was never started at the provider. Create a new one.")
        method, base_url = claim.params.get("payment_method", ""), claim.params.pop("base_url", "")
        method = method or charged_method(payment)
        if not method and payment.status == PaymentStatus.ERROR and gateway.confirms_at_once:
            method = gateway_settings.test_payment_method
        claim.params["payment_method"] = method
        if claim.params.get("customer_id") and not payment.provider_customer_id:
            payment.provider_customer_id = claim.params["customer_id"]
            payment.save(update_fields=["provider_customer_id", "modified"])
        if not gateway.confirms_at_once and not gateway.confirms_on_return:
            payment.base_url = base_url
            claim.params["success_url"] = payment.get_success_url()

    def call(self, claim: PaymentClaim) -> PaymentSnapshot:
        """Charge."""
        request = payment_request(claim.subject, claim.operation)
        snapshot: PaymentSnapshot = claim.gateway.confirm_payment(
            payment_ref(claim.subject), request, idempotency_key=claim.key
        )
        return snapshot

    def note_failure(self, claim: PaymentClaim, error: GatewayError, *, is_over: bool) -> None:
        """Write a decline to the payment, which can be paid in another way then."""
        if not isinstance(error, PaymentDeclined):
            super().note_failure(claim, error, is_over=is_over)
            return
        payment, operation = claim.subject, claim.operation
        intent_id = error.intent_id or payment.intent_id
        declined = PaymentSnapshot(
            status=ProviderStatus.FAILED,
            object_id=intent_id or payment.transaction_id,
            intent_id=intent_id,
            amount=payment.total,
            currency=payment.currency.upper(),
            failure=Failure(error.code, str(error.extra.get("decline_code", "")), error.detail),
        )
        apply_snapshot(payment, declined, claim.origin, operation=operation)
        operation.error["detail"] = error.detail
        operation.object_id = declined.object_id
        error.extra.setdefault("payment_id", payment.pk)


CONFIRM = register(ConfirmVerb())


def confirm_payment(
    *,
    payment: AbstractPayment,
    payment_method: str = "",
    customer_owner: Any = ...,
    base_url: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> AbstractPayment:
    """Charge a payment method, or carry on after the customer has authenticated.

    Args:
        payment_method: the provider's id, of a new one or one that the owner has saved; by default the one that the
            intent has already, or that was charged without its customer.
        customer_owner: whose saved payment method that may be, such as the team that a user speaks for now; ``None``
            for the user's own. By default the one's whose customer the payment is, or its owner's.
        base_url: scheme and host for the return URL when ``PAYMENT_HOST`` is not set.

    Raises:
        InvalidInput: the payment method is another's, or unknown.
        WrongState: the payment is not waiting, or its customer confirms on the provider's page.
        PaymentDeclined: declined; the payment can still be paid.
        ProviderError: the provider refused or failed.
    """
    params: dict[str, Any] = {"payment_method": payment_method, "base_url": base_url}
    match = {"payment_method": payment_method} if payment_method else {}
    key = scoped_request_key(idempotency_key, "confirm", payment.pk)
    further = ask_host_about(CallKind.CONFIRMATION, payment)
    request = Request(params=params, match=match, key=key, further=further)
    if payment_method and payment.is_payable and not is_unanswered(CONFIRM, payment.pk, request):
        gateway = gateway_of(payment).for_object(payment.transaction_id)
        saved = check_confirming(payment, gateway, payment_method, customer_owner)
        if saved is not None:
            params["customer_id"] = saved.provider_id
    confirmed: AbstractPayment = run(CONFIRM, payment.pk, request, origin).subject
    return confirmed


def charged_method(payment: AbstractPayment) -> str:
    """Return what a payment was charged on without its customer, who confirms it now; empty for any other."""
    if payment.status != PaymentStatus.ERROR and not payment.waits_for_authentication:
        return ""
    charges = CONFIRM.operations(payment.pk).filter(kind=OperationKind.CHARGE)
    params = charges.order_by("pk").values_list("params", flat=True).first() or {}
    return str(params.get("payment_method", ""))


def confirm_at_once(payment: AbstractPayment, origin: Origin) -> AbstractPayment:
    """Confirm a payment of a gateway that confirms at once, if it waits; its test payment method is there."""
    confirmed = CONFIRM.operations(payment.pk).filter(kind=CONFIRM.kind, state=OperationState.SUCCEEDED)
    # Once it is confirmed, its customer has to act first.
    if payment.status != PaymentStatus.WAITING or confirmed.exists():
        return payment
    return confirm_payment(payment=payment, origin=origin)
