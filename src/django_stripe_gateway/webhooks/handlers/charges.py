"""``charge.refunded``: says how much of a charge was refunded, in new API versions not by which refunds."""

from __future__ import annotations

from django_stripe_gateway.choices import RefundStatus, WebhookState
from django_stripe_gateway.gateways.base import RefundSnapshot
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.stripe_objects import charge_refunds, refunded_total
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.services.performing import payment_ref
from django_stripe_gateway.services.refund_sync import apply_refund
from django_stripe_gateway.webhooks.applying import changing_payment
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.registry import FetchNeeded, handles

LIVE = (RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION, RefundStatus.SUCCEEDED)


@handles("charge.refunded")
def handle_charge_refunded(event: Event) -> WebhookState:
    """Learn of refunds that are not known here, such as those made at the provider's dashboard."""
    with changing_payment(event) as change:
        if change.payment is not None:
            for snapshot in _refunds(event, change.payment):
                apply_refund(change.payment, snapshot, event.origin)
    return change.state


def _refunds(event: Event, payment: AbstractPayment) -> list[RefundSnapshot]:
    """Return the charge's refunds: from the event, from the provider, or none when all are known."""
    if event.fetched is not None:
        return list(event.fetched)
    embedded = charge_refunds(event.object)
    if embedded is not None:
        return embedded
    amounts = payment.refunds.filter(status__in=LIVE).values_list("amount", flat=True)
    if sum(amounts, ZERO) >= refunded_total(event.object):
        return []
    raise FetchNeeded(lambda: get_gateway(payment.variant).list_refunds(payment_ref(payment)))
