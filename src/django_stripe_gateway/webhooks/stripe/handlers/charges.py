"""``charge.refunded``: says how much of a charge was refunded, in new API versions not by which refunds."""

from __future__ import annotations

import dataclasses

from django_stripe_gateway.choices import RefundStatus, WebhookState
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.stripe.payment_objects import charge_refunds, object_id, refunded_total
from django_stripe_gateway.gateways.values import RefundSnapshot
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.services.payments.refresh import payment_ref
from django_stripe_gateway.services.payments.refund_sync import apply_refund
from django_stripe_gateway.services.snapshots import SnapshotMismatch
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.registry import FetchNeeded
from django_stripe_gateway.webhooks.stripe.payments import change_stripe_payment
from django_stripe_gateway.webhooks.stripe.registration import handles

LIVE = (RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION, RefundStatus.SUCCEEDED)


@handles("charge.refunded")
def handle_charge_refunded(event: Event) -> WebhookState:
    """Learn of refunds that are not known here, such as those made at the provider's dashboard."""
    return change_stripe_payment(event, "charge", lambda payment: _apply_refunds(event, payment))


def _apply_refunds(event: Event, payment: AbstractPayment) -> None:
    intent_id = object_id(event.object.get("payment_intent"))
    if intent_id and payment.intent_id and intent_id != payment.intent_id:
        raise SnapshotMismatch("intent differs")
    contradiction: SnapshotMismatch | None = None
    for snapshot in _refunds(event, payment, intent_id):
        try:
            if not clean_id(snapshot.refund_id):
                raise SnapshotMismatch("a refund's id is malformed")
            apply_refund(payment, snapshot, event.origin)
        except SnapshotMismatch as error:
            # The other refunds are true all the same, in whichever order the provider lists them.
            contradiction = contradiction or error
    if contradiction is not None:
        raise contradiction


def _refunds(event: Event, payment: AbstractPayment, intent_id: str) -> list[RefundSnapshot]:
    """Return the charge's refunds: from the event, from the provider, or none when all are known."""
    if event.fetched is not None:
        return list(event.fetched)
    embedded = charge_refunds(event.object)
    if embedded is not None:
        return embedded
    # A refund of ours that the provider has not answered for may not be among those that the event counts.
    known = payment.refunds.using(payments_database()).filter(status__in=LIVE, provider_id__isnull=False)
    if sum(known.values_list("amount", flat=True), ZERO) >= refunded_total(event.object):
        return []
    ref = dataclasses.replace(payment_ref(payment), intent_id=payment.intent_id or intent_id)
    raise FetchNeeded(lambda: get_gateway(payment.variant).list_refunds(ref))
