"""What the shop does when something happens to a payment.

Signals come after the change is committed, from the API, the shop's own pages, the admin and webhooks alike, so this is
the one place where an order follows its payment.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from django_stripe_gateway import signals
from django_stripe_gateway.models import PaymentStatus
from shop.models import Order, OrderStatus

FOLLOWS = {
    PaymentStatus.PREAUTH: OrderStatus.RESERVED,
    PaymentStatus.CONFIRMED: OrderStatus.PAID,
    PaymentStatus.CANCELLED: OrderStatus.CANCELLED,
    PaymentStatus.REFUNDED: OrderStatus.REFUNDED,
}


@receiver(
    [
        signals.payment_preauthorized,
        signals.payment_confirmed,
        signals.payment_cancelled,
        signals.payment_refunded,
    ]
)
def follow_payment(payment: Any, **kwargs: Any) -> None:
    """Bring the order to where its payment is now.

    The stored status decides, not the signal: two processes can announce two changes in either order. A shop that sends
    a parcel or a mail would do so here, where the order changes.
    """
    payment.refresh_from_db(fields=["status"])
    status = FOLLOWS.get(payment.status)
    if status:
        Order.objects.paid_by(payment).exclude(status=status).update(status=status)
