"""What can be done with an order after it was placed: one function for each button of its page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest

from django_stripe_gateway.exceptions import InvalidAmount, WrongState
from django_stripe_gateway.models import PaymentStatus
from django_stripe_gateway.payments import cancel_payment, capture_payment, format_amount, refund_payment
from shop import checkout
from shop.catalogue import find_product
from shop.forms import AmountForm
from shop.models import Order
from shop.standing import Standing, settle


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to show the user, or where to send the browser."""

    message: str = ""
    url: str = ""


def can_manage(user: Any) -> bool:
    """Return whether ``user`` works in the shop; in development everybody does, to try the buttons."""
    return bool(user.is_staff or settings.DEBUG)


def can_pay(order: Order, standing: Standing) -> bool:
    """Return whether there is anything to pay, or to pay again."""
    payment = order.payment
    return standing.is_open and (payment is None or (payment.is_payable and not is_processing(payment)))


def is_processing(payment: Any) -> bool:
    """Return whether the customer has done everything, and the bank has not: a debit takes days."""
    return payment.status == PaymentStatus.WAITING and payment.stored_session.get("status") == "complete"


def pay(request: HttpRequest, order: Order) -> Outcome:
    """Make the payment, or go on with it.

    Raises:
        WrongState: the order was paid meanwhile, or is closed.
    """
    if not settle(order).is_open:
        raise WrongState("This order is not open any more.")
    product = find_product(order.product)
    if order.payment is not None:
        payment = checkout.pay_again(request=request, payment=order.payment)
    elif product is not None:
        payment = checkout.pay_order(request=request, order=order, product=product)
    else:
        raise Http404
    url = payment.gateway_url or payment.action_url
    return Outcome(url=url) if url else Outcome("Thank you, that worked.")


def capture(request: HttpRequest, order: Order) -> Outcome:
    """Take the money that was reserved."""
    payment = capture_payment(
        payment=managed_payment(request, order), amount=asked_amount(request), origin=checkout.customer(request)
    )
    return Outcome(f"Captured {format_amount(payment.captured_amount, payment.currency)} {payment.currency}.")


def release(request: HttpRequest, order: Order) -> Outcome:
    """Give up the money that was reserved."""
    cancel_payment(payment=managed_payment(request, order), origin=checkout.customer(request))
    return Outcome("The reservation was released. Nothing was charged.")


def refund(request: HttpRequest, order: Order) -> Outcome:
    """Give back a part, or all that is left."""
    refund = refund_payment(
        payment=managed_payment(request, order),
        amount=asked_amount(request),
        reason="requested_by_customer",
        origin=checkout.customer(request),
    )
    return Outcome(f"Refunded {format_amount(refund.amount, refund.currency)} {refund.currency}.")


def managed_payment(request: HttpRequest, order: Order) -> Any:
    """Return the order's payment to somebody who works in the shop."""
    if not can_manage(request.user):
        raise PermissionDenied
    if order.payment is None:
        raise Http404
    return order.payment


def asked_amount(request: HttpRequest) -> Decimal | None:
    """Return the amount that was typed, or nothing for all that is left."""
    form = AmountForm(request.POST)
    if not form.is_valid():
        raise InvalidAmount("Type an amount such as 3.00.", field="amount")
    amount: Decimal | None = form.cleaned_data["amount"]
    return amount


ACTIONS: dict[str, Callable[[HttpRequest, Order], Outcome]] = {
    "pay": pay,
    "capture": capture,
    "release": release,
    "refund": refund,
}
