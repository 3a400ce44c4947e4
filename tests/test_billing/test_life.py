"""The whole life of a subscription, in both generations of the API."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from django_stripe_gateway.models import Invoice, Subscription
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now

pytestmark = pytest.mark.django_db(transaction=True)


def announced(signals: SignalRecorder) -> list[str]:
    """Return the signals of subscriptions since the last time."""
    names = [name for name in signals.names if name.startswith("subscription_")]
    signals.sent.clear()
    return names


def test_whole_life(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host, signals = either_host, recorded_signals
    host.basic.trial_days = 14
    host.basic.save()
    made = host.subscribe()
    assert made["status"] == "trialing"
    assert made["client_secret_kind"] == "setup"
    setup_id = made["client_secret"].partition("_secret_")[0]
    host.fake.customer_sets_up(setup_id)
    host.deliver_new()
    subscription = Subscription.objects.get()
    assert (subscription.on_trial, subscription.is_valid) == (True, True)
    assert announced(signals) == ["subscription_activated"]

    host.fake.advance(days=15)
    host.deliver_new()
    subscription = now(subscription)
    assert subscription.status == "active"
    assert announced(signals) in (["subscription_trial_ending"], ["subscription_trial_ending", "subscription_renewed"])
    end_of_first = subscription.current_period_end

    host.fake.advance(days=31)
    host.deliver_new()
    subscription = now(subscription)
    assert subscription.current_period_end > end_of_first
    assert announced(signals) == ["subscription_renewal_coming", "subscription_renewed"]

    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.deliver_new()
    announced(signals)
    host.fake.advance(days=31)
    host.deliver_new()
    subscription = now(subscription)
    assert (subscription.status, subscription.is_valid) == ("past_due", True)
    failed = ["subscription_past_due", "subscription_payment_failed", "subscription_renewal_coming"]
    assert sorted(announced(signals)) == failed
    subscription.past_due_since -= timedelta(days=8)
    subscription.save()
    assert not now(subscription).is_valid

    host.change_card(subscription, "pm_card_visa")
    host.fake.advance(days=4)
    host.deliver_new()
    subscription = now(subscription)
    assert (subscription.status, subscription.past_due_since) == ("active", None)
    assert announced(signals) == ["subscription_renewed"]

    body = {"subscription_id": subscription.provider_id, "pricing_id": host.premium.pk}
    preview = host.post("change", body | {"preview": True, "proration": "always_invoice"}).json()
    assert 0 < Decimal(preview["amount_due"]) <= 30
    assert [line["is_proration"] for line in preview["lines"]].count(True) == 2
    changed = host.post("change", body | {"proration": "always_invoice", "proration_date": preview["proration_date"]})
    assert changed.status_code == 200, changed.content
    assert changed.json()["plan"]["slug"] == "premium"
    host.deliver_new()
    assert now(subscription).pricing == host.premium
    assert announced(signals) == ["subscription_changed"]
    paid = Invoice.objects.filter(billing_reason="subscription_update").get()
    assert (paid.status, paid.total) == ("paid", Decimal(preview["total"]))

    changed = host.post("change", {"subscription_id": subscription.provider_id, "plan_id": host.basic.plan_id})
    assert changed.json()["plan"]["slug"] == "basic"
    host.deliver_new()
    assert announced(signals) == ["subscription_changed"]

    which = {"subscription_id": subscription.provider_id}
    cancelled = host.post("cancel", which)
    assert cancelled.json()["cancel_at_period_end"] is True
    host.deliver_new()
    assert now(subscription).on_grace_period
    assert announced(signals) == ["subscription_cancelled"]
    assert host.post("resume", which).json()["cancel_at_period_end"] is False
    host.deliver_new()
    assert announced(signals) == ["subscription_resumed"]
    assert host.post("resume", which).status_code == 409
    host.post("cancel", which)
    host.deliver_new()
    announced(signals)
    host.fake.advance(days=62)
    host.deliver_new()
    subscription = now(subscription)
    assert (subscription.status, subscription.has_ended, subscription.is_valid) == ("canceled", True, False)
    assert announced(signals) == ["subscription_ended"]
    assert host.post("cancel", which).status_code == 409


def test_first_payment__authenticated(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    made = host.subscribe()
    intent = host.fake.intent_of(made["subscription_id"])
    host.fake.customer_pays(made["subscription_id"], "pm_card_authenticationRequiredOnSetup")
    host.deliver_new()
    assert Subscription.objects.get().status == "incomplete"
    assert "subscription_action_required" in announced(recorded_signals)
    host.fake.customer_authenticates(intent)
    host.deliver_new()
    assert Subscription.objects.get().status == "active"
    assert announced(recorded_signals) == ["subscription_activated"]


def test_first_payment__abandoned(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    made = host.subscribe()
    # The same request again goes on with it.
    again = host.subscribe()
    assert (again["subscription_id"], again["client_secret"]) == (made["subscription_id"], made["client_secret"])
    host.fake.advance(hours=24)
    host.deliver_new()
    subscription = Subscription.objects.get()
    assert (subscription.status, subscription.has_ended) == ("incomplete_expired", True)
    assert announced(recorded_signals) == ["subscription_expired"]
    assert host.subscribe()["subscription_id"] != made["subscription_id"]
