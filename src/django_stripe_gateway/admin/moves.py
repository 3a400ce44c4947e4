"""What staff can do, and to a payment in particular; each move goes through the service that the API uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from django_stripe_gateway.admin.display import display_money
from django_stripe_gateway.choices import LogSource
from django_stripe_gateway.exceptions import InvalidInput, WrongState
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments.cancel import cancel_payment
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import refund_payment


@dataclass(frozen=True, slots=True)
class Order:
    """What a member of staff has asked for.

    Args:
        key: the same for every submission of one form, so that a second click moves no second money.
        amount: in the payment's currency, ``None`` for all that there is.
    """

    origin: Origin
    key: str | None = None
    amount: Decimal | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """One thing that can be done to a payment or a subscription.

    Args:
        name: also names the permission (``has_<name>_permission``) and the page.
        perform: calls the service and returns a sentence for the person who asked.
        is_possible: whether the object's state allows it, as far as the row knows.
        largest: what ``amount`` may be at most; without it the move has no amount.
        asks_first: the action of the changelist needs a second step.
    """

    name: str
    label: Any
    question: Any
    question_all: Any
    perform: Callable[[Any, Order], str]
    is_possible: Callable[[Any], bool]
    largest: Callable[[Any], Decimal] | None = None
    has_reason: bool = False
    asks_first: bool = True


def staff_origin(request: HttpRequest) -> Origin:
    """Return the origin that the audit trail keeps for a change made in the admin."""
    return Origin(source=LogSource.ADMIN, actor=f"user:{request.user.pk}")


def _capture(payment: AbstractPayment, order: Order) -> str:
    captured = capture_payment(payment=payment, amount=order.amount, idempotency_key=order.key, origin=order.origin)
    return _("%(amount)s captured.") % {"amount": display_money(captured.captured_amount, captured.currency)}


def _refund(payment: AbstractPayment, order: Order) -> str:
    refund = refund_payment(
        payment=payment, amount=order.amount, reason=order.reason, idempotency_key=order.key, origin=order.origin
    )
    amount = display_money(refund.amount, refund.currency)
    if order.amount is not None and refund.amount != order.amount:
        raise WrongState(
            _("This form has already made a refund of %(amount)s; nothing more was refunded. Open it again.")
            % {"amount": amount},
            code="form_used",
        )
    values = {"amount": amount, "status": refund.get_status_display()}
    return _("Refund of %(amount)s: %(status)s.") % values


def _cancel(payment: AbstractPayment, order: Order) -> str:
    cancelled = cancel_payment(payment=payment, idempotency_key=order.key, origin=order.origin)
    return str(cancelled.get_status_display()) + "."


def _sync(payment: AbstractPayment, order: Order) -> str:
    if not payment.transaction_id:
        raise InvalidInput(_("Nothing was made at the provider for this payment."))
    synced = sync_payment(payment=payment, with_refunds=True, origin=order.origin)
    values = {
        "status": synced.get_status_display(),
        "captured": display_money(synced.captured_amount, synced.currency),
        "refunded": display_money(synced.refunded_amount, synced.currency),
    }
    return _("In step with the provider: %(status)s, captured %(captured)s, refunded %(refunded)s.") % values


MOVES: Mapping[str, Move] = {
    move.name: move
    for move in (
        Move(
            name="capture",
            label=gettext_lazy("Capture"),
            question=gettext_lazy("Capture this payment? Whatever is not captured is released."),
            question_all=gettext_lazy("Capture the whole amount of these payments?"),
            perform=_capture,
            is_possible=lambda payment: payment.is_preauthorized,
            largest=lambda payment: payment.total,
        ),
        Move(
            name="refund",
            label=gettext_lazy("Refund"),
            question=gettext_lazy("Give this money back? A refund cannot be taken back."),
            question_all=gettext_lazy("Give back all that is left of these payments? A refund cannot be taken back."),
            perform=_refund,
            is_possible=lambda payment: payment.is_refundable,
            largest=lambda payment: payment.refundable_amount(),
            has_reason=True,
        ),
        Move(
            name="cancel",
            label=gettext_lazy("Cancel or release"),
            question=gettext_lazy("Cancel this payment? An authorised one is released; it cannot be paid any more."),
            question_all=gettext_lazy(
                "Cancel these payments? Authorised ones are released; they cannot be paid any more."
            ),
            perform=_cancel,
            is_possible=lambda payment: payment.is_cancellable,
        ),
        Move(
            name="sync",
            label=gettext_lazy("Ask the provider"),
            question=gettext_lazy("Ask the provider where this payment and its refunds stand?"),
            question_all="",
            perform=_sync,
            is_possible=lambda payment: bool(payment.transaction_id),
            asks_first=False,
        ),
    )
}
