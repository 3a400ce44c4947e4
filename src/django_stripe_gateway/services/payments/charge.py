"""Charge what a customer has saved, without them: one PaymentIntent, created and confirmed in one call.

Which flow the variant has is all the same. What was declined, or waits until the customer has authenticated, is an
answer: the payment is confirmed later, on the page of ``get_confirmation_url`` or by ``confirm_payment``.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import OperationKind, PaymentStatus
from django_stripe_gateway.exceptions import (
    InvalidInput,
    PaymentDeclined,
    ProviderError,
    ProviderUnavailable,
    UnknownGateway,
    UnsupportedByGateway,
)
from django_stripe_gateway.gateways.registry import billing_variants, get_gateway
from django_stripe_gateway.gateways.values import PaymentSnapshot
from django_stripe_gateway.models import (
    AbstractPayment,
    ConnectedAccount,
    Customer,
    PaymentGatewayConfig,
    get_payment_model,
)
from django_stripe_gateway.services.amounts import validate_amount
from django_stripe_gateway.services.operations.engine import (
    give_up,
    look_up,
    perform,
    run,
    scoped_request_key,
    settle,
    settle_failure,
)
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.create import store_payment, verified_capture_method
from django_stripe_gateway.services.payments.customers import known_customer
from django_stripe_gateway.services.payments.line import (
    BeginningVerb,
    PaymentClaim,
    ask_host_about,
    payment_request,
)
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.terms import kept_terms, take_terms
from django_stripe_gateway.services.subscriptions.customers import note_unheard_deletion
from django_stripe_gateway.services.subscriptions.payment_methods import list_payment_methods, own_payment_method


class ChargeVerb(BeginningVerb):
    """Create an intent and confirm it, while its customer is not there."""

    kind = OperationKind.CHARGE

    def check(self, claim: PaymentClaim) -> None:
        """Keep where the customer would come back to, should they have to authenticate."""
        claim.params["success_url"] = claim.subject.get_success_url()
        claim.params.update(kept_terms(claim.subject))

    def call(self, claim: PaymentClaim) -> PaymentSnapshot:
        """Charge."""
        request = payment_request(claim.subject, claim.operation)
        snapshot: PaymentSnapshot = claim.gateway.charge_payment(request, idempotency_key=claim.key)
        return snapshot

    def find_earlier(self, claim: PaymentClaim) -> PaymentSnapshot | None:
        """Return the intent that carries the operation's mark, whatever has become of it."""
        request = payment_request(claim.subject, claim.operation)
        snapshot: PaymentSnapshot | None = claim.gateway.find_charge(request, since=claim.operation.created)
        return snapshot

    def supersede(self, claim: PaymentClaim) -> None:
        """Settle it if it has happened at the provider; if not, nobody is charged for another request: give it up."""
        try:
            found = look_up(lambda: self.find_earlier(claim))
        except ProviderUnavailable as error:
            settle_failure(claim, error)
            raise
        if found is None:
            give_up(claim, "superseded", "Another request came before the provider's answer.")
        else:
            settle(claim, found)


CHARGE = register(ChargeVerb())


def charge(
    *,
    owner: Any,
    amount: Decimal,
    currency: str,
    payment_method: str = "",
    description: str = "",
    order_id: str = "",
    metadata: Mapping[str, Any] | None = None,
    gateway: str = "",
    capture_method: str | None = None,
    destination: ConnectedAccount | str = "",
    on_behalf_of: ConnectedAccount | str = "",
    application_fee: Decimal | None = None,
    user: Any = None,
    base_url: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
    **fields: Any,
) -> AbstractPayment:
    """Charge an owner now on what they have saved, without them.

    Args:
        owner: who is billed, an instance of ``STRIPE_GATEWAY_OWNER_MODEL``.
        amount: in the currency's units, e.g. ``Decimal("10.00")``.
        currency: ISO code, any case.
        payment_method: the provider's id of one of the owner's; by default the default one, or the only one.
        description, order_id, metadata, fields: see ``create_payment``.
        gateway: name of an active ``PaymentGatewayConfig``, or its variant; by default the first that can do it.
        capture_method: "automatic" or "manual"; by default as the variant is configured.
        destination, on_behalf_of, application_fee: see ``create_payment``.
        user: whose payment it is in lists, where the owner is no user.
        base_url: scheme and host for the return URLs when ``PAYMENT_HOST`` is not set.
        idempotency_key: the same key of the same owner brings the same payment again, and the same decline.

    Returns:
        The payment: confirmed, authorised, waiting while a slow payment method is under way; or waiting with
        ``requires_action``, because the customer's bank wants to hear from them: ``payment_action_required`` is sent,
        and ``get_confirmation_url()`` leads there.

    Raises:
        InvalidInput: amount, currency, gateway, account or fee cannot be accepted, the payment method is not the
            owner's, or there is none ("no_default_payment_method"); nothing was stored.
        UnsupportedByGateway: the gateway cannot do it.
        PaymentDeclined: declined; ``extra["payment_id"]`` is the payment, which its customer can still pay.
        ProviderError: the provider refused or failed; with an unknown outcome a repeat under the same
            ``idempotency_key`` carries on.
    """
    key = scoped_request_key(idempotency_key, "charge", getattr(owner, "pk", ""))
    known = CHARGE.operations().filter(request_key=key) if key else CHARGE.operations().none()
    if known:
        return _repeat(known[0].payment_id, key, origin)
    config = _config(gateway)
    if not get_gateway(config.variant).supports_customers:
        raise UnsupportedByGateway("This gateway cannot charge a saved payment method.")
    total = validate_amount(amount, currency)
    capture = "" if capture_method is None else verified_capture_method(config.variant, capture_method)
    customer, method = _what_pays(owner, config.variant, payment_method)
    payment = get_payment_model()(
        owner=user or (owner if isinstance(owner, get_user_model()) else None),
        gateway=config.name,
        variant=config.variant,
        total=total,
        currency=currency.upper(),
        description=description,
        order_id=order_id,
        metadata=dict(metadata or {}),
        capture_method=capture,
        provider_customer_id=customer.provider_id or "",
        **fields,
    )
    payment.base_url = base_url
    take_terms(payment, destination=destination, on_behalf_of=on_behalf_of, application_fee=application_fee)
    paid_by = {"payment_method": method, "customer_id": payment.provider_customer_id}
    request = Request(params=paid_by, key=key, further=ask_host_about(CallKind.CHARGE, payment))
    try:
        claim = store_payment(CHARGE, payment, request, origin)
    except IntegrityError:
        # Two requests with one key: the other one was first.
        known = known.all()
        if not known:
            raise
        return _repeat(known[0].payment_id, key, origin)
    try:
        charged: AbstractPayment = perform(claim).subject
    except ProviderError as error:
        note_unheard_deletion(customer, error)
        raise
    return _declined_or(charged)


def _repeat(payment_pk: Any, key: str | None, origin: Origin) -> AbstractPayment:
    """Return what the first request of a key has led to, or carry on with it."""
    payment: AbstractPayment = run(CHARGE, payment_pk, Request(key=key), origin).subject
    if payment.waits_for_authentication and not payment.client_secret:
        # The secret came with the answer that was never given, and is not stored.
        payment = sync_payment(payment=payment, origin=origin)
    return _declined_or(payment)


def _declined_or(payment: AbstractPayment) -> AbstractPayment:
    """Return a payment, or raise what it was declined with."""
    if payment.status != PaymentStatus.ERROR:
        return payment
    raise PaymentDeclined(
        payment.message or "The card was declined.",
        code=payment.failure_code,
        decline_code=payment.decline_code,
        payment_id=payment.pk,
    )


def _config(name: str) -> PaymentGatewayConfig:
    """Return the active gateway of a name; without one the first that bills customers, the default before others."""
    active = PaymentGatewayConfig.objects.active()
    named = active.named(name) if name else active.filter(variant__in=list(billing_variants())).order_by("-is_default")
    config = named.first()
    if config is None:
        raise UnknownGateway("No active gateway has this name, or can charge a saved card.", field="gateway")
    return config


def _what_pays(owner: Any, variant: str, payment_method: str) -> tuple[Customer, str]:
    """Return an owner's customer and the id of what is charged.

    Raises:
        InvalidInput: it is not theirs, or they have none, or several and no default one.
    """
    customer = known_customer(owner, variant)
    if customer is None:
        if payment_method:
            raise InvalidInput(
                "There is no such payment method.", code="unknown_payment_method", field="payment_method"
            )
        raise _missing()
    if payment_method:
        return customer, own_payment_method(customer, payment_method, field="payment_method").payment_method_id
    if customer.default_payment_method:
        return customer, customer.default_payment_method
    saved = list_payment_methods(customer=customer)
    if len(saved) != 1:
        raise _missing()
    return customer, saved[0].payment_method_id


def _missing() -> InvalidInput:
    return InvalidInput(
        "There is no default payment method to charge. Name one, or let the customer choose one.",
        code="no_default_payment_method",
        field="payment_method",
    )
