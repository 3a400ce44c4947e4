"""How the shop takes payments: the calls into django-stripe-gateway, apart from the pages.

None of these runs inside a transaction: each one asks Stripe, and what was done there must be kept whatever happens
to the page.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models import Customer
from django_stripe_gateway.payments import Origin, charge, confirm_payment, create_payment, start_payment
from django_stripe_gateway.subscriptions import list_payment_methods
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


def saved_cards(user: Any) -> list[Any]:
    """Return what a customer has saved, asked of Stripe; localstripe keeps nothing."""
    if settings.USE_LOCALSTRIPE or not user.is_authenticated:
        return []
    try:
        return list(list_payment_methods(customer=Customer.objects.for_owner(user).first()))
    except GatewayError:
        # The shop is open all the same: on Stripe's page one can type the card again.
        return []


def pay_order(*, request: HttpRequest, order: Order, product: Product, saves: bool = False) -> Any:
    """Make the payment of an order, or go on with the one that it has: it must not be paid twice.

    With the same idempotency key, a repeat brings the same payment again.

    Args:
        saves: the customer wants the card to be kept.
    """
    if order.payment is not None:
        return pay_again(request=request, payment=order.payment)
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
        save_payment_method=saves,
        base_url=base_url(request),
        idempotency_key=f"order-{order.number}",
        origin=customer(request),
    )


def pay_with_saved(*, request: HttpRequest, order: Order, product: Product, card: str) -> Any:
    """Charge an order to a card that its customer has saved; no page of Stripe's is needed.

    ``charge`` does it as if they were away. Should their bank want to hear from them, they are here to tell it. An
    order that has a payment goes on with that, whatever is pressed: it must not be paid twice.
    """
    if order.payment is not None:
        return pay_again(request=request, payment=order.payment)
    payment = charge(
        owner=order.owner,
        gateway=GATEWAY,
        amount=order.amount,
        currency=order.currency,
        payment_method=card,
        description=order.description,
        order_id=order.number,
        metadata={"product": order.product},
        capture_method=product.capture_method,
        base_url=base_url(request),
        idempotency_key=f"order-{order.number}",
        origin=customer(request),
    )
    return pay_again(request=request, payment=payment) if payment.requires_action else payment


def pay_again(*, request: HttpRequest, payment: Any) -> Any:
    """Go on with a payment whose customer came back: the open Checkout page, or a new one if it has closed.

    On localstripe a failed payment is confirmed with the test card that works; what was charged to a saved card is
    confirmed with that, perhaps at the bank's page.
    """
    payment = start_payment(payment=payment, base_url=base_url(request), origin=customer(request))
    if payment.is_payable and not payment.gateway_url:
        payment = confirm_payment(payment=payment, base_url=base_url(request), origin=customer(request))
    return payment


def customer(request: HttpRequest) -> Origin:
    """Say in the audit trail who asked."""
    return Origin(actor=f"user:{request.user.pk}")


def base_url(request: HttpRequest) -> str:
    """Return this site's address while PAYMENT_HOST does not say it."""
    return "" if settings.PAYMENT_HOST else request.build_absolute_uri("/")
