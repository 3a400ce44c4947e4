"""Which invoice an intent, charge, refund or dispute is about, in every generation of Stripe's API."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.models import Invoice
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.stripe.invoice_intents import invoice_of_intent
from tests.billing_factories import make_customer

pytestmark = pytest.mark.django_db

OBJECTS: dict[str, dict[str, Any]] = {
    "an intent of before 2025-03-31": {"object": "payment_intent", "id": "pi_9", "invoice": "in_1"},
    "an intent of today": {"object": "payment_intent", "id": "pi_9", "payment_details": {"order_reference": "in_1"}},
    "an intent that the row names": {"object": "payment_intent", "id": "pi_1"},
    "a charge of before 2025-03-31": {"object": "charge", "id": "ch_1", "payment_intent": "pi_9", "invoice": "in_1"},
    "a charge of today": {"object": "charge", "id": "ch_1", "payment_intent": "pi_1"},
    "a refund": {"object": "refund", "id": "re_1", "payment_intent": "pi_1"},
    "a dispute with its intent": {"object": "dispute", "id": "du_1", "payment_intent": {"id": "pi_1"}},
}
OTHERS: dict[str, dict[str, Any]] = {
    "another intent": {"object": "payment_intent", "id": "pi_9"},
    "an order's reference": {"object": "payment_intent", "id": "pi_9", "payment_details": {"order_reference": "77"}},
    "no reference": {"object": "payment_intent", "id": "pi_9", "payment_details": {"order_reference": None}},
    "nothing": {},
    "what is no id": {"object": "refund", "payment_intent": ["pi_1"], "invoice": {"id": 1}, "payment_details": 3},
    "another mode": {"object": "refund", "payment_intent": "pi_1", "livemode": True},
}


@pytest.fixture
def invoice() -> Invoice:
    """Return an invoice whose intent is known."""
    customer = make_customer(provider_id="cus_1")
    fields = {"variant": customer.variant, "provider_id": "in_1", "status": "paid", "currency": "USD"}
    return Invoice.objects.create(customer=customer, intent_id="pi_1", **fields)


@pytest.mark.parametrize("name", OBJECTS)
def test_found(invoice: Invoice, name: str) -> None:
    assert invoice_of_intent(_event(OBJECTS[name])) == invoice


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.usefixtures("invoice")
def test_not_found(name: str) -> None:
    assert invoice_of_intent(_event(OTHERS[name])) is None


def _event(obj: dict[str, Any]) -> Event:
    return Event(id="evt_1", type="charge.refunded", provider="stripe", variant="stripe", object=obj)
