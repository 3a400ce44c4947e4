"""What must be true of every payment's money: each rule is one function, and a line in ``RULES``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django_stripe_gateway.choices import OperationKind, OperationState, PaymentStatus
from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models import AbstractPayment, PaymentOperation, Refund
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.money import to_minor_units
from django_stripe_gateway.transitions import PAID

ASK = 'Ask the provider about it (the admin\'s "Ask the provider", or sync_payment(with_refunds=True)).'
BY_HAND = "Compare it with the provider's dashboard, find what wrote it past the services, and correct the row by hand."
RESUME = "Run manage.py reconcile."


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that must not be.

    Args:
        rule: its name, as in the documentation.
        remedy: what to do about it.
    """

    subject: str
    rule: str
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Books:
    """A payment with what is written about it elsewhere.

    Args:
        logged_status: what the audit trail says last, empty if it says nothing.
        shared_ids: ids of the provider's that another payment has as well.
    """

    payment: AbstractPayment
    refunds: Sequence[Refund] = ()
    operations: Sequence[PaymentOperation] = ()
    logged_status: str = ""
    shared_ids: Sequence[str] = ()

    @property
    def given_back(self) -> Decimal:
        """The sum of the refunds that have succeeded."""
        return sum((refund.amount for refund in self.refunds if refund.is_succeeded), ZERO)


Found = Iterator[tuple[str, str]]
Rule = Callable[[Books], Found]


def _order(books: Books) -> Found:
    payment = books.payment
    if not ZERO <= payment.refunded_amount <= payment.captured_amount <= payment.authorized_amount:
        yield (
            f"refunded {payment.refunded_amount}, captured {payment.captured_amount}, authorised "
            f"{payment.authorized_amount}",
            BY_HAND,
        )


def _refunded_sum(books: Books) -> Found:
    if books.payment.refunded_amount != books.given_back:
        yield f"refunded {books.payment.refunded_amount}, its refunds add up to {books.given_back}", ASK


def _captured_status(books: Books) -> Found:
    payment = books.payment
    is_paid = payment.status in PAID
    if is_paid and not payment.captured_amount and payment.total:
        yield f"{payment.status}, and nothing was captured", ASK
    if not is_paid and payment.captured_amount:
        yield f"{payment.status}, and {payment.captured_amount} were captured", ASK


def _refunded_status(books: Books) -> Found:
    payment = books.payment
    is_all = ZERO < payment.captured_amount == payment.refunded_amount
    if (payment.status == PaymentStatus.REFUNDED) != is_all and payment.status in PAID:
        yield f"{payment.status}, {payment.refunded_amount} of {payment.captured_amount} given back", ASK


def _authorized_status(books: Books) -> Found:
    payment = books.payment
    if payment.status == PaymentStatus.PREAUTH and payment.total and not payment.authorized_amount:
        yield "preauth, and nothing was authorised", ASK


def _currency(books: Books) -> Found:
    payment = books.payment
    for name in ("total", "authorized_amount", "captured_amount", "refunded_amount"):
        try:
            amount = getattr(payment, name)
            if amount:
                to_minor_units(amount, payment.currency)
        except GatewayError as error:
            yield f"{name}: {error.detail}", BY_HAND
            return


def _refunds(books: Books) -> Found:
    for refund in books.refunds:
        if refund.currency.upper() != books.payment.currency.upper():
            yield f"refund {refund.pk} is in {refund.currency}, the payment in {books.payment.currency}", BY_HAND
        if refund.amount <= ZERO:
            yield f"refund {refund.pk} is of {refund.amount}", BY_HAND


def _operations(books: Books) -> Found:
    own = {operation.pk: operation for operation in books.operations}
    for refund in books.refunds:
        if refund.operation_id is None:
            continue
        operation = own.get(refund.operation_id)
        if operation is None:
            yield f"refund {refund.pk} belongs to an operation of another payment", BY_HAND
        elif refund.is_under_way and operation.state == OperationState.FAILED:
            yield f"refund {refund.pk} is {refund.status}, its operation has failed", ASK
        elif refund.provider_id is None and operation.state == OperationState.SUCCEEDED:
            yield f"refund {refund.pk} has no id, its operation has succeeded", ASK
    for operation in books.operations:
        is_capture = operation.kind == OperationKind.CAPTURE and operation.state == OperationState.SUCCEEDED
        if is_capture and operation.amount not in (None, books.payment.captured_amount):
            yield f"{operation.amount} were to be captured, {books.payment.captured_amount} were", ASK
    if sum(operation.is_pending for operation in books.operations) > 1:
        yield "several operations wait for their answers", RESUME


def _log(books: Books) -> Found:
    if books.logged_status and books.logged_status != books.payment.status:
        yield f"{books.payment.status}, the audit trail says {books.logged_status} last", BY_HAND


def _duplicates(books: Books) -> Found:
    for shared in books.shared_ids:
        yield f"{shared} is another payment's as well", BY_HAND


#: name, as in docs/reference/commands.md → function
RULES: Mapping[str, Rule] = {
    "order": _order,
    "refunded_sum": _refunded_sum,
    "captured_status": _captured_status,
    "refunded_status": _refunded_status,
    "authorized_status": _authorized_status,
    "currency": _currency,
    "refunds": _refunds,
    "operations": _operations,
    "log": _log,
    "duplicates": _duplicates,
}
#: The only ones that hold for the payments of other providers of django-payments, which take a refund off the capture.
FOR_ALL = frozenset({"order", "currency"})
