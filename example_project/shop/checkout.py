"""How the shop takes payments: the calls into django-stripe-gateway, apart from the pages.

None of these runs inside a transaction: each one asks Stripe, and what was done there must be kept whatever happens
to the page.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest

from django_stripe_gateway.payments import Origin, confirm_payment, create_payment, start_payment
from shop.catalogue import Product
from shop.models import Order

GATEWAY = "Stripe"


def place_order(*, request: HttpRequest, product: Product, number: str) -> Order:
    """Store the order. ``number`` comes with the page, so that a second click finds the first one's order."""
    order, _created = Order.objects.get_or_create(
        number=number,
        defaults={
            "owner": request.user,
            "product": product.slug,
            "description": product.name,
            "amount": product.price,
            "currency": product.currency,
        },
    )
    if order.owner != request.user or order.product != product.slug:
        raise Http404
    return order


def pay_order(*, request: HttpRequest, order: Order, product: Product) -> Any:
    """Make the payment of an order; with the same idempotency key, a repeat brings the same payment again."""
    return create_payment(
        owner=order.owner,
        gateway=GATEWAY,
        amount=order.amount,
        currency=order.currency,
        description=order.description,
        order_id=order.number,
        metadata={"product": order.product},
        capture_method=product.capture_method,
        payment_method=product.payment_method,
        base_url=base_url(request),
        idempotency_key=f"order-{order.number}",
        origin=customer(request),
    )


def pay_again(*, request: HttpRequest, payment: Any) -> Any:
    """Go on with a payment whose customer came back: the open Checkout page, or a new one if it has closed.

    On localstripe a failed payment is confirmed with the test card that works.
    """
    payment = start_payment(payment=payment, base_url=base_url(request), origin=customer(request))
    if payment.is_payable and not payment.gateway_url:
        payment = confirm_payment(payment=payment, origin=customer(request))
    return payment


def customer(request: HttpRequest) -> Origin:
    """Say in the audit trail who asked."""
    return Origin(actor=f"user:{request.user.pk}")


def base_url(request: HttpRequest) -> str:
    """Return this site's address while PAYMENT_HOST does not say it."""
    return "" if settings.PAYMENT_HOST else request.build_absolute_uri("/")
