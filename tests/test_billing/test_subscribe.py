"""Subscribe to a plan."""

from __future__ import annotations

from decimal import Decimal

import pytest

from django_stripe_gateway.models import Customer, Subscription
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def test_plan_alone(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    made = host.subscribe()
    assert made["status"] == "incomplete"
    assert made["client_secret_kind"] == "payment"
    assert made["client_secret"].startswith(host.fake.intent_of(made["subscription_id"]))
    assert (made["plan"]["slug"], made["pricing"]["amount"], made["quantity"]) == ("basic", "20.00", 1)
    host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    assert set(host.deliver_new()) <= {"processed", "unmatched", "ignored"}
    subscription = Subscription.objects.get()
    assert (subscription.status, subscription.is_valid) == ("active", True)
    assert subscription.current_period_end is not None
    invoice = subscription.invoices.get()
    assert (invoice.status, invoice.total, invoice.amount_paid) == ("paid", Decimal("20.00"), Decimal("20.00"))
    assert recorded_signals.names.count("subscription_activated") == 1
    assert "subscription_renewed" not in recorded_signals.names
    assert [log.event for log in subscription.logs.all()][0] == "created"
    shown = host.get("status").json()["results"]
    assert [found["subscription_id"] for found in shown] == [made["subscription_id"]]
    assert "client_secret" not in shown[0]
    assert Customer.objects.get().customer_id == host.fake.all("customer")[0]["id"]
