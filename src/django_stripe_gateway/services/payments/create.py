"""Create, start and confirm payments."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError
from django.utils import timezone
from payments import get_payment_model

from django_stripe_gateway import signals
from django_stripe_gateway.choices import CaptureMethod, LogEvent, OperationKind, OperationState, PaymentStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import InvalidInput, UnknownGateway, WrongState
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.models import AbstractPayment, PaymentGatewayConfig, PaymentOperation
from django_stripe_gateway.models.fields import variant_capture_method
from django_stripe_gateway.money import format_amount
from django_stripe_gateway.services.audit import send_on_commit, write_log
from django_stripe_gateway.services.operations.lifecycle import Begun, Intention, add_operation, find_operation
from django_stripe_gateway.services.operations.performing import perform_operation
from django_stripe_gateway.services.operations.running import run_operation, scoped_request_key
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.amounts import validate_amount
from django_stripe_gateway.services.payments.line_items import line_items
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.transitions import REOPENABLE


def create_payment(
    *,
    owner: Any,
    gateway: str,
    amount: Decimal,
    currency: str,
    description: str = "",
    order_id: str = "",
    metadata: Mapping[str, Any] | None = None,
    capture_method: str | None = None,
    payment_method: str = "",
    confirm: bool = True,
    base_url: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
    **fields: Any,
) -> AbstractPayment:
    """Store a payment and start it at its gateway.

    Args:
        owner: the user who pays, or ``None``.
        gateway: name of an active ``PaymentGatewayConfig``, or its variant.
        amount: in the currency's units, e.g. ``Decimal("10.00")``.
        currency: ISO code, any case.
        description: what the customer reads on the provider's page.
        order_id: the host's own number, by which ``Payment.objects.for_order()`` finds the payment again.
        metadata: kept with the payment as JSON; not sent to the provider.
        capture_method: "automatic" or "manual"; by default as the variant is configured.
        payment_method: the provider's id of a payment method (intent flow only).
        confirm: ``False`` leaves a payment that would be confirmed at once (localstripe) to ``confirm_payment``.
        base_url: scheme and host for the return URLs when ``PAYMENT_HOST`` is not set.
        idempotency_key: the same key of the same owner brings the same payment again.
        fields: further fields of the host's own payment model.

    Returns:
        The payment. ``gateway_url`` is where the customer pays (Checkout), ``client_secret`` what the customer's
        browser needs (PaymentIntent).

    Raises:
        InvalidInput: amount, currency or gateway cannot be accepted.
        PaymentDeclined: the test payment method was declined; the payment can still be paid.
        ProviderError: the provider refused or failed; with an unknown outcome a repeat under the same
            ``idempotency_key`` carries on.
    """
    request_key = scoped_request_key(idempotency_key, "create", getattr(owner, "pk", ""))
    config = find_gateway(gateway)
    payment = get_payment_model()(
        owner=owner,
        gateway=config.name,
        variant=config.variant,
        total=validate_amount(amount, currency),
        currency=currency.upper(),
        description=description,
        order_id=order_id,
        metadata=dict(metadata or {}),
        capture_method=_capture_method(config.variant, capture_method),
        **fields,
    )
    payment.base_url = base_url
    intention = _creation(payment_method, request_key)
    known = find_operation(request_key)
    if known is None:
        try:
            begun = _store_payment(payment, intention, origin)
        except IntegrityError:
            # Two requests with one key: the other one was first.
            known = find_operation(request_key)
            if known is None:
                raise
    if known is None:
        payment = perform_operation(begun, origin).payment
    else:
        payment = run_operation(known.payment_id, intention, origin).payment
        if payment.status == PaymentStatus.WAITING and not payment.client_secret and not payment.gateway_url:
            # The answer that held the secret was never given; it is not stored, so Stripe is asked again.
            payment = sync_payment(payment=payment, origin=origin)
    return _confirm_at_once(payment, origin) if confirm else payment


def start_payment(*, payment: AbstractPayment, base_url: str = "", origin: Origin = SYSTEM) -> AbstractPayment:
    """Start a payment that the host has saved itself, or make a new attempt when its Checkout Session has closed.

    An open session is used again; nothing is asked of the provider then.

    Raises:
        WrongState: the payment is paid, authorised or cancelled.
        ProviderError: the provider refused or failed.
    """
    payment.base_url = base_url
    if _is_open(payment):
        return payment
    if payment.transaction_id and (payment.is_payable or payment.status in REOPENABLE):
        # It may have been paid without our having heard of it: only the provider knows.
        payment = sync_payment(payment=payment, origin=origin)
        payment.base_url = base_url
        if _is_open(payment) or not (payment.is_payable or payment.status in REOPENABLE):
            return payment
    validate_amount(payment.total, payment.currency)
    try:
        payment = run_operation(payment.pk, _creation("", None, base_url=base_url), origin).payment
    except _AlreadyOpen as open_:
        return open_.payment
    return _confirm_at_once(payment, origin)


def confirm_payment(
    *,
    payment: AbstractPayment,
    payment_method: str = "",
    base_url: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> AbstractPayment:
    """Charge a payment method, or carry on after the customer has authenticated.

    Args:
        payment_method: the provider's id; by default the one that the intent has already.
        base_url: scheme and host for the return URL when ``PAYMENT_HOST`` is not set.

    Raises:
        WrongState: the payment is not waiting, or its customer confirms on the provider's page.
        PaymentDeclined: declined; the payment can still be paid.
        ProviderError: the provider refused or failed.
    """
    key = scoped_request_key(idempotency_key, "confirm", payment.pk)
    return run_operation(payment.pk, _confirmation(payment_method, key, base_url), origin).payment


def find_gateway(name: str) -> PaymentGatewayConfig:
    """Return the active gateway called ``name``.

    Raises:
        UnknownGateway: there is none.
    """
    config = PaymentGatewayConfig.objects.active().named(name).first()
    if config is None:
        raise UnknownGateway("No active gateway has this name. GET gateways/ lists them.", field="gateway")
    return config


def _confirm_at_once(payment: AbstractPayment, origin: Origin) -> AbstractPayment:
    """Confirm a payment that waits on localstripe; the test payment method is on its intent already."""
    if payment.status != PaymentStatus.WAITING or not get_gateway(payment.variant).confirms_at_once:
        return payment
    if payment.operations.filter(kind=OperationKind.CONFIRM, state=OperationState.SUCCEEDED).exists():
        # Its customer has to act first.
        return payment
    return run_operation(payment.pk, _confirmation("", None), origin).payment


@retry_on_deadlock
def _store_payment(payment: AbstractPayment, intention: Intention, origin: Origin) -> Begun:
    """Commit a new payment together with the operation that will start it."""
    with money_transaction():
        payment.livemode = get_gateway(payment.variant).livemode
        payment.pk = None
        payment.save(using=payments_database(), force_insert=True)
        amount = format_amount(payment.total, payment.currency)
        data = {"amount": amount, "currency": payment.currency, "gateway": payment.gateway}
        write_log(payment, LogEvent.CREATED, origin, f"{amount} {payment.currency}", data)
        send_on_commit(signals.payment_created, type(payment), payment=payment)
        return Begun(payment, add_operation(payment, intention, origin))


def _creation(payment_method: str, request_key: str | None, base_url: str = "") -> Intention:
    """Return the wish to make the provider's object; for a failed payment, a new one in place of the old."""

    def check(locked: AbstractPayment) -> None:
        if _is_open(locked):
            raise _AlreadyOpen(locked)
        if locked.is_payable or locked.status in REOPENABLE:
            return
        raise WrongState(f"A payment that is {locked.status} cannot be started again.")

    def prepare(locked: AbstractPayment, operation: PaymentOperation) -> None:
        if base_url:
            locked.base_url = base_url
        gateway = get_gateway(locked.variant)
        # The ids of a closed attempt would make the events of the new one look foreign.
        locked.transaction_id = locked.intent_id = ""
        locked.livemode = gateway.livemode
        locked.save(update_fields=["transaction_id", "intent_id", "livemode", "modified"])
        params: dict[str, Any] = {}
        if gateway.supports_redirect:
            lines = line_items(locked)
            params["items"] = [{"name": i.name, "price": str(i.price), "quantity": i.quantity} for i in lines]
            params["success_url"] = locked.get_success_url()
            params["cancel_url"] = locked.get_failure_url()
            if gateway_settings.checkout_expires_after is not None:
                closes = timezone.now() + timedelta(seconds=gateway_settings.checkout_expires_after)
                params["expires_at"] = closes.isoformat()
        elif gateway.confirms_at_once:
            params["payment_method"] = payment_method or gateway_settings.test_payment_method
        elif payment_method:
            params["payment_method"] = payment_method
        operation.params = params

    return Intention(kind=OperationKind.CREATE, check=check, prepare=prepare, request_key=request_key)


def _confirmation(payment_method: str, request_key: str | None, base_url: str = "") -> Intention:
    def check(locked: AbstractPayment) -> None:
        gateway = get_gateway(locked.variant)
        if not gateway.supports_confirm:
            raise WrongState(
                "This payment is confirmed by its customer, on the provider's page.", code="not_confirmable"
            )
        if not locked.is_payable:
            raise WrongState(f"A payment that is {locked.status} cannot be confirmed.")
        if not locked.transaction_id:
            raise WrongState("This payment was never started at the provider. Create a new one.")

    def prepare(locked: AbstractPayment, operation: PaymentOperation) -> None:
        method = payment_method
        if not method and locked.status == PaymentStatus.ERROR and get_gateway(locked.variant).confirms_at_once:
            method = gateway_settings.test_payment_method
        operation.params = {"payment_method": method}
        gateway = get_gateway(locked.variant)
        if not gateway.confirms_at_once and not gateway.confirms_on_return:
            locked.base_url = base_url
            operation.params["success_url"] = locked.get_success_url()

    details = {"payment_method": payment_method} if payment_method else {}
    return Intention(kind=OperationKind.CONFIRM, check=check, prepare=prepare, request_key=request_key, details=details)


def _capture_method(variant: str, asked: str | None) -> str:
    """Return the capture method: what was asked for, else what the variant's ``capture`` option says."""
    gateway = get_gateway(variant)
    if asked is None:
        return variant_capture_method(variant)
    if asked not in CaptureMethod.values:
        raise InvalidInput('The capture method is "automatic" or "manual".', field="capture_method")
    if asked == CaptureMethod.MANUAL and not gateway.supports_manual_capture:
        raise InvalidInput("This gateway cannot capture later.", field="capture_method")
    return asked


class _AlreadyOpen(Exception):
    """Another request has started the payment meanwhile."""

    def __init__(self, payment: AbstractPayment) -> None:
        super().__init__()
        self.payment = payment


def _is_open(payment: AbstractPayment) -> bool:
    """Return whether the payment can be paid on what was made for it at the provider."""
    return payment.is_payable and bool(payment.transaction_id) and not _session_has_closed(payment)


def _session_has_closed(payment: AbstractPayment) -> bool:
    """Return whether the payment's Checkout Session can certainly not be paid any more."""
    session = payment.stored_session
    expires_at = session.get("expires_at")
    if session.get("status") == "expired":
        return True
    if session.get("status") == "complete":
        # Closed to its customer; the bank debit that it started is under way, or has failed.
        return bool(payment.status == PaymentStatus.ERROR)
    return isinstance(expires_at, int) and timezone.now().timestamp() >= expires_at
