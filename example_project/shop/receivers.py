"""What the shop does when something happens to a payment.

Signals come after the change is committed, from the API, the shop's own pages, the admin and webhooks alike. They only
say that there is something new: where the order stands is asked of the database. Two processes can announce two changes
in either order, and a process that dies announces nothing.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from django_stripe_gateway import signals
from shop.models import Order
from shop.standing import settle


@receiver(
    [
        signals.payment_preauthorized,
        signals.payment_confirmed,
        signals.payment_cancelled,
        signals.payment_refunded,
        signals.refund_failed,
        signals.payment_disputed,
    ]
)
def follow_payment(payment: Any, **kwargs: Any) -> None:
    """Bring the order that a payment names to where its payments are now."""
    order = Order.objects.filter(number=payment.order_id).first()
    if order is not None:
        settle(order)
