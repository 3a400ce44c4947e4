"""Go over all payments, and say where their money does not add up; nothing is changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from django_stripe_gateway.choices import LogEvent
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import GatewayError, UnknownAtProvider
from django_stripe_gateway.gateways.registry import is_supported_variant
from django_stripe_gateway.gateways.values import ProviderStatus
from django_stripe_gateway.models import (
    AbstractPayment,
    PaymentLog,
    PaymentOperation,
    Refund,
    UnexpectedPayment,
    get_payment_model,
)
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.services.accounts import gateway_of
from django_stripe_gateway.services.payments.refresh import ask_about, payment_ref
from django_stripe_gateway.services.payments.verify_rules import ASK, FOR_ALL, RULES, Books, Violation
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.transitions import PAID

BATCH = 500


@dataclass(frozen=True, slots=True)
class Checked:
    """What a payment was found to be.

    Args:
        is_asked: the provider was asked about it; ``silence`` is why it did not answer.
        waits: money that nobody has decided about.
    """

    payment_pk: Any
    violations: Sequence[Violation]
    is_asked: bool = False
    silence: str = ""
    waits: int = 0


def verify_payments(*, after: Any = None, ask: int = 0, batch: int = BATCH) -> Iterator[Checked]:
    """Yield every payment, in the order of their keys, with what is wrong about its money.

    The table is read in batches, each by its keys: nothing stays open between two, and what is written meanwhile is
    read as it is when its turn comes.

    Args:
        after: the key of the last payment that need not be looked at.
        ask: how many payments to compare with what their provider says; the first that can be.
    """
    rows = get_payment_model()._default_manager.using(payments_database()).order_by("pk")
    while True:
        found = list((rows if after is None else rows.filter(pk__gt=after))[:batch])
        if not found:
            return
        undecided, ours = _undecided(found), _ours(found)
        for books in _books(found):
            payment, after = books.payment, books.payment.pk
            violations, silence = _violations(books, is_ours=payment.variant in ours), ""
            is_asked = ask > 0 and _can_be_asked(payment)
            if is_asked:
                ask -= 1
                try:
                    violations += _compare(books)
                except GatewayError as error:
                    silence = error.detail
            yield Checked(payment.pk, violations, is_asked, silence, undecided.get(payment.pk, 0))


def _ours(payments: Sequence[AbstractPayment]) -> set[str]:
    """Return the variants of some payments that no other provider of the host's has; a seller's is a question each."""
    variants = {payment.variant for payment in payments}
    return {name for name in variants if name not in gateway_settings.variants or is_supported_variant(name)}


def _violations(books: Books, *, is_ours: bool) -> list[Violation]:
    return [
        Violation(f"payment {books.payment.pk}", name, detail, remedy)
        for name, rule in RULES.items()
        if is_ours or name in FOR_ALL
        for detail, remedy in rule(books)
    ]


def _books(payments: Sequence[AbstractPayment]) -> Iterator[Books]:
    """Yield payments with all that belongs to them, read in one query for each table."""
    using, keys = payments_database(), [payment.pk for payment in payments]
    refunds: dict[Any, list[Refund]] = defaultdict(list)
    for refund in Refund.objects.using(using).filter(payment__in=keys):
        refunds[refund.payment_id].append(refund)
    operations: dict[Any, list[PaymentOperation]] = defaultdict(list)
    for operation in PaymentOperation.objects.using(using).filter(payment__in=keys).defer("params", "error"):
        operations[operation.payment_id].append(operation)
    moves = PaymentLog.objects.using(using).filter(payment__in=keys, event=LogEvent.STATUS_CHANGED).order_by("pk")
    logged = {key: str(data.get("to", "")) for key, data in moves.values_list("payment_id", "data")}
    shared = {name: _shared(payments, name) for name in ("transaction_id", "intent_id")}
    for payment in payments:
        twice = dict.fromkeys(getattr(payment, name) for name in shared if getattr(payment, name) in shared[name])
        yield Books(
            payment, refunds[payment.pk], operations[payment.pk], logged.get(payment.pk, ""), shared_ids=list(twice)
        )


def _shared(payments: Sequence[AbstractPayment], name: str) -> set[str]:
    values = {getattr(payment, name) for payment in payments} - {""}
    rows = get_payment_model()._default_manager.using(payments_database()).filter(**{f"{name}__in": values})
    return set(
        rows.order_by().values(name).annotate(count=Count("pk")).filter(count__gt=1).values_list(name, flat=True)
    )


def _undecided(payments: Sequence[AbstractPayment]) -> dict[Any, int]:
    rows = UnexpectedPayment.objects.using(payments_database()).open()
    counts: dict[Any, int] = defaultdict(int)
    for key in rows.filter(payment__in=[payment.pk for payment in payments]).values_list("payment_id", flat=True):
        counts[key] += 1
    return counts


def _can_be_asked(payment: AbstractPayment) -> bool:
    is_ours = is_supported_variant(payment.variant) and payment.is_of_configured_account
    return bool(payment.transaction_id) and is_ours


def _compare(books: Books) -> list[Violation]:
    """Return in what the provider contradicts the row."""
    payment = books.payment
    gateway = gateway_of(payment)
    try:
        snapshot = ask_about(gateway, payment)
    except UnknownAtProvider as error:
        return [Violation(f"payment {payment.pk}", "provider", error.detail, "Give it up in the admin.")]
    said = []
    is_taken = snapshot.status == ProviderStatus.SUCCEEDED
    if is_taken != (payment.status in PAID):
        said.append(f"it is {payment.status}, at the provider {snapshot.status}")
    if is_taken and snapshot.amount_received != payment.captured_amount:
        said.append(f"{payment.captured_amount} captured, {snapshot.amount_received} at the provider")
    if snapshot.currency and snapshot.currency != payment.currency.upper():
        said.append(f"in {payment.currency}, {snapshot.currency} at the provider")
    if is_taken:
        held, taken = payment.authorized_amount, snapshot.amount_received or ZERO
        made = [one for one in gateway.list_refunds(payment_ref(payment)) if not one.is_released_of(held, taken)]
        given_back = sum((one.amount for one in made if one.status == "succeeded"), ZERO)
        if given_back != payment.refunded_amount:
            said.append(f"{payment.refunded_amount} refunded, {given_back} at the provider")
    return [Violation(f"payment {payment.pk}", "provider", detail, ASK) for detail in said]
