"""Disputes of money that was not expected: they are seen, and end the waiting for a decision."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command

from django_stripe_gateway import payments
from django_stripe_gateway.models import Dispute, UnexpectedPayment
from django_stripe_gateway.payments import sync_payment
from django_stripe_gateway.services.disputes import reconcile_disputes
from tests.conftest import SignalRecorder
from tests.test_services.conftest import Shop
from tests.test_services.test_unexpected import events_of, paid_with, with_an_older_page
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)


def paid_twice(shop: Shop) -> tuple[Any, UnexpectedPayment]:
    """Return a paid payment, and what was paid on its earlier page, too."""
    payment, first = with_an_older_page(shop)
    for page in (payment.transaction_id, first):
        shop.stripe.complete_checkout(page)
        deliver_all(events_of(shop))
    return sync_payment(payment=payment), UnexpectedPayment.objects.get()


def dispute_events(shop: Shop) -> list[Any]:
    """Return what the endpoint is told of disputes."""
    return [event for event in shop.stripe.events() if "dispute" in event["type"]]


@pytest.mark.parametrize("by_event", [True, False])
def test_lost__waits_for_nobody(shop: Shop, recorded_signals: SignalRecorder, by_event: bool) -> None:
    payment, row = paid_twice(shop)
    shop.stripe.dispute(row.intent_id)
    if by_event:
        assert set(deliver_all(dispute_events(shop))) == {"processed"}
    else:
        assert [found.outcome for found in reconcile_disputes(older_than=timedelta(0))] == ["changed"]
    dispute = Dispute.objects.get()
    assert (dispute.payment, dispute.intent_id, dispute.is_open) == (payment, row.intent_id, True)
    assert len(recorded_signals.values("payment_disputed")) == 1
    payment.refresh_from_db()
    row.refresh_from_db()
    assert (payment.status, payment.fraud_status, row.state) == ("confirmed", "unknown", "open")
    shop.stripe.close_dispute(shop.stripe.all("dispute")[0]["id"], won=False)
    deliver_all(dispute_events(shop))
    row.refresh_from_db()
    payment.refresh_from_db()
    assert (payment.fraud_status, row.state) == ("unknown", "returned")


def test_accepted__is_the_payments_own(shop: Shop) -> None:
    payment = paid_with(shop)
    row = UnexpectedPayment.objects.get()
    shop.stripe.dispute(row.intent_id)
    deliver_all(dispute_events(shop))
    payment = payments.accept_unexpected(payment=payment)
    assert (payment.status, payment.fraud_status) == ("confirmed", "review")


def test_import__brings_it(shop: Shop) -> None:
    payment, row = paid_twice(shop)
    shop.stripe.dispute(row.intent_id)
    call_command("import_account", "--variant", "stripe")
    dispute = Dispute.objects.get()
    assert (dispute.payment, dispute.intent_id) == (payment, row.intent_id)
