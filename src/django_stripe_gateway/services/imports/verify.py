"""Ask the provider whether brought payments are what it knows of them; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from django.db import DatabaseError

from django_stripe_gateway.choices import RefundStatus
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.patience import patiently
from django_stripe_gateway.gateways.registry import get_gateway, is_supported_variant
from django_stripe_gateway.gateways.values import ProviderStatus
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.imports.django_payments import find_row
from django_stripe_gateway.services.imports.reading import Result, attempt
from django_stripe_gateway.services.imports.results import Imported, Outcome
from django_stripe_gateway.services.imports.tables import ForeignTable
from django_stripe_gateway.services.payments.refresh import payment_ref
from django_stripe_gateway.services.payments.sync import TARGETS
from django_stripe_gateway.transitions import PAID

KIND = "verified"


def verify_rows(table: ForeignTable, *, variant: str = "") -> Iterator[Imported]:
    """Yield how the payments that a table's rows have become differ from what the provider says.

    Args:
        variant: of this payment variant only.

    Raises:
        GatewayError: the provider could not be asked.
    """
    for row in table.rows("token", "transaction_id", "variant"):
        if variant and row["variant"] != variant:
            continue
        try:
            payment = find_row(table, row)
        except (DatabaseError, ValueError):
            # No row here can be it; that it could not be brought was said.
            continue
        if payment is not None:
            yield from verify(payment)


def verify(payment: AbstractPayment) -> Iterator[Imported]:
    """Yield how a payment differs from what the provider says; nothing for one that no provider can be asked about.

    Raises:
        GatewayError: the provider could not be asked.
    """
    if payment.transaction_id and is_supported_variant(payment.variant):
        yield attempt(KIND, payment.token, lambda: _compare(payment))


def _compare(payment: AbstractPayment) -> Result:
    try:
        differences = list(_differences(payment))
    except ProviderError as error:
        if not error.is_missing:
            raise
        differences = ["the provider does not know it"]
    return Outcome.AMBIGUOUS if differences else Outcome.KNOWN, "; ".join(differences)


def _differences(payment: AbstractPayment) -> Iterator[str]:
    gateway, ref = get_gateway(payment.variant), payment_ref(payment)
    snapshot = patiently(lambda: gateway.retrieve_payment(ref))
    refunded, is_paid = Decimal(0), snapshot.status == ProviderStatus.SUCCEEDED
    if is_paid and (ref.intent_id or snapshot.intent_id):
        listed = patiently(lambda: gateway.list_refunds(ref))
        held, taken = snapshot.amount or payment.total, snapshot.amount_received or Decimal(0)
        refunds = [one for one in listed if not one.is_released_of(held, taken)]
        refunded = sum((one.amount for one in refunds if one.status == RefundStatus.SUCCEEDED), Decimal(0))
    captured = (snapshot.amount_received or Decimal(0)) if is_paid else Decimal(0)
    is_same_status = payment.status in PAID if is_paid else TARGETS[snapshot.status] == payment.status
    if not is_same_status:
        yield f"status is {payment.status} here, {snapshot.status} there"
    pairs = (
        ("total", payment.total, snapshot.amount),
        ("currency", payment.currency, snapshot.currency),
        ("captured", payment.captured_amount, captured),
        ("refunded", payment.refunded_amount, refunded),
        ("live mode", payment.livemode, snapshot.livemode),
    )
    for name, here, there in pairs:
        if there is not None and here != there:
            yield f"{name} is {here} here, {there} there"
