"""Subscribe to a plan."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
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
    assert subscription.logs.all()[0].event == "created"
    shown = host.get("status").json()["results"]
    assert [found["subscription_id"] for found in shown] == [made["subscription_id"]]
    assert "client_secret" not in shown[0]
    assert Customer.objects.get().provider_id == host.fake.all("customer")[0]["id"]


def saved_card(host: SubscriptionHost, card: str) -> str:
    """Return a payment method that the customer has left before."""
    customer = ensure_customer(owner=host.user)
    found = get_billing_gateway("stripe").attach_payment_method(card, customer.provider_id or "", idempotency_key=card)
    return found.payment_method_id


def charges(host: SubscriptionHost) -> list[str]:
    return [charge["status"] for charge in host.fake.all("charge")]


def test_named_card__is_charged_at_once(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    card = saved_card(host, "pm_card_visa")
    made = host.subscribe(payment_method=card)
    assert (made["status"], made["valid"], "client_secret" in made) == ("active", True, False)
    assert charges(host) == ["succeeded"]
    assert "failed" not in host.deliver_new()
    subscription = Subscription.objects.get()
    assert (subscription.status, subscription.default_payment_method) == ("active", card)
    assert subscription.invoices.get().amount_paid == Decimal("20.00")
    assert recorded_signals.names.count("subscription_activated") == 1


def test_named_card__in_a_trial_is_charged_when_it_ends(host: SubscriptionHost) -> None:
    card = saved_card(host, "pm_card_visa")
    found = subscribe(owner=host.user, plan=host.basic.plan, trial_days=7, payment_method=card)
    assert (found.status, found.default_payment_method, charges(host)) == ("trialing", card, [])


@pytest.mark.parametrize(
    ("card", "tried"), [("pm_card_chargeCustomerFail", ["failed"]), ("pm_card_authenticationRequired", [])]
)
def test_named_card__does_not_pay(either_host: SubscriptionHost, card: str, tried: list[str]) -> None:
    host = either_host
    body = {"payment_method": saved_card(host, card)}
    made = host.subscribe(**body)
    assert (made["status"], made["valid"], made["client_secret_kind"]) == ("incomplete", False, "payment")
    assert charges(host) == tried
    # Whoever asks again goes on with what there is, and nothing is charged by that.
    again = host.subscribe(**body)
    assert (again["subscription_id"], again["client_secret"]) == (made["subscription_id"], made["client_secret"])
    assert charges(host) == tried
    if tried:
        host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    else:
        host.fake.customer_authenticates(host.fake.intent_of(made["subscription_id"]))
    assert "failed" not in host.deliver_new()
    assert Subscription.objects.get().status == "active"
    assert charges(host) == [*tried, "succeeded"]


@pytest.mark.parametrize("kind", ["error_500_after", "reset_after"])
def test_named_card__is_charged_once(host: SubscriptionHost, kind: Any) -> None:
    card = saved_card(host, "pm_card_visa")
    body = {"plan_id": host.basic.plan_id, "payment_method": card}
    host.fake.fault("POST", "/v1/subscriptions", kind=kind)
    assert host.post("subscribe", body).status_code == 502
    host.fake.forget_idempotency_keys()
    assert host.subscribe(payment_method=card)["status"] == "active"
    assert charges(host) == ["succeeded"]


def test_named_card__after_an_attempt_that_named_none(host: SubscriptionHost) -> None:
    first = host.subscribe()
    made = host.subscribe(payment_method=saved_card(host, "pm_card_visa"))
    assert (made["status"], charges(host)) == ("active", ["succeeded"])
    assert host.fake.get(host.fake.get(first["subscription_id"])["latest_invoice"])["status"] == "void"


def test_checkout(either_host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    host = either_host
    made = host.subscribe(mode="checkout")
    assert (made["subscription_id"], made["status"]) == (None, "starting")
    page = host.fake.all("checkout.session")[0]
    assert made["gateway_url"] == page["url"]
    assert page["mode"] == "subscription"
    # Another try closes the first page, so that nobody pays on both.
    again = host.subscribe(mode="checkout")
    assert again["gateway_url"] != made["gateway_url"]
    assert host.fake.get(page["id"])["status"] == "expired"
    open_page = next(found for found in host.fake.all("checkout.session") if found["status"] == "open")
    host.fake.complete_checkout(open_page["id"])
    assert "failed" not in host.deliver_new()
    subscription = Subscription.objects.get(checkout_id=open_page["id"])
    assert (subscription.status, subscription.is_valid) == ("active", True)
    assert subscription.invoices.get().is_paid
    assert recorded_signals.names.count("subscription_activated") == 1
    assert {found.status for found in Subscription.objects.all()} == {"active", "incomplete_expired"}
    refused = host.post("subscribe", {"plan_id": host.basic.plan_id, "mode": "checkout"})
    assert (refused.status_code, refused.json()["code"]) == (409, "already_subscribed")


def test_checkout__plan_that_does_not_renew(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    day_pass = host.sell("day-pass", Decimal("5.00"), auto_renew=False, interval="day")
    host.subscribe(day_pass, mode="checkout")
    host.fake.complete_checkout(host.fake.all("checkout.session")[0]["id"])
    host.deliver_new()
    subscription = Subscription.objects.get()
    assert host.fake.get(subscription.provider_id)["cancel_at_period_end"] is True
    host.deliver_new()
    subscription.refresh_from_db()
    assert (subscription.status, subscription.cancel_at_period_end) == ("active", True)
    assert "subscription_cancelled" not in recorded_signals.names
    host.fake.advance(days=2)
    host.deliver_new()
    subscription.refresh_from_db()
    assert subscription.has_ended
    assert recorded_signals.names.count("subscription_ended") == 1


def test_plan_that_does_not_renew(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    day_pass = host.sell("day-pass", Decimal("5.00"), auto_renew=False, interval="day")
    subscription = host.subscribed(day_pass)
    assert (subscription.status, subscription.cancel_at_period_end) == ("active", True)
    assert host.fake.get(subscription.provider_id)["cancel_at_period_end"] is True
    assert not {"subscription_cancelled", "subscription_resumed"} & set(recorded_signals.names)
    refused = host.post("resume", {"subscription_id": subscription.provider_id})
    assert refused.status_code == 409


def test_free_plan__without_a_card(host: SubscriptionHost) -> None:
    free = host.sell("free", Decimal("0.00"))
    made = host.subscribe(free)
    assert (made["status"], "client_secret" in made) == ("active", False)


def test_trial__once(host: SubscriptionHost, settings: object) -> None:
    host.basic.trial_days = 7
    host.basic.save()
    first = host.subscribe()
    assert first["status"] == "trialing"
    host.post("cancel", {"subscription_id": first["subscription_id"], "at_period_end": False})
    assert host.subscribe()["status"] == "incomplete"
    settings.STRIPE_GATEWAY_ALLOW_REPEATED_TRIALS = True  # type: ignore[attr-defined]
    host.post("cancel", {"subscription_id": Subscription.objects.first().provider_id, "at_period_end": False})
    assert host.subscribe()["status"] == "trialing"


def test_discounts(host: SubscriptionHost) -> None:
    coupon = host.fake.coupon(percent_off=50, duration="once")
    host.fake.promotion_code(coupon["id"], "HALF")
    made = host.subscribe(promotion_code="HALF")
    host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    host.deliver_new()
    assert Subscription.objects.get().invoices.get().total == Decimal("10.00")
    refused = host.post("subscribe", {"plan_id": host.premium.plan_id, "promotion_code": "WRONG"})
    assert (refused.status_code, refused.json()["field"]) == (400, "promotion_code")


def test_seats(host: SubscriptionHost) -> None:
    refused = host.post("subscribe", {"plan_id": host.basic.plan_id, "quantity": 3})
    assert (refused.status_code, refused.json()["field"]) == (400, "quantity")
    host.basic.is_per_seat = True
    host.basic.save()
    subscription = host.subscribed(quantity=3)
    assert (subscription.quantity, subscription.invoices.get().total) == (3, Decimal("60.00"))
    body = {"subscription_id": subscription.provider_id, "quantity": 5}
    assert host.post("change", body).json()["quantity"] == 5
    assert host.post("change", body).json()["code"] == "nothing_to_change"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "plan_id"),
        ({"plan_id": 999}, "plan_id"),
        ({"plan_id": "x"}, "plan_id"),
        ({"plan_id": True}, "plan_id"),
        ({"pricing_id": 999}, "pricing_id"),
        ({"quantity": 0}, "quantity"),
        ({"quantity": 10**9}, "quantity"),
        ({"mode": "letter"}, "mode"),
        ({"payment_method": "../x"}, "payment_method"),
        ({"metadata": []}, "metadata"),
    ],
)
def test_bad_input(host: SubscriptionHost, body: dict[str, object], field: str) -> None:
    if body and "plan_id" not in body:
        body = {"plan_id": host.basic.plan_id} | body
    host.fake.forget_requests()
    answer = host.post("subscribe", body)
    assert (answer.status_code, answer.json().get("field")) == (400, field)
    assert not Subscription.objects.exists()
    assert host.fake.requests == []


def test_customer_deleted_at_stripe(host: SubscriptionHost, recorded_signals: SignalRecorder) -> None:
    subscription = host.subscribed()
    old = host.customer.provider_id
    host.fake.delete_customer(old)
    # No event has arrived yet.
    made = host.subscribe(host.premium)
    assert host.customer.provider_id != old
    assert made["status"] == "incomplete"
    host.deliver_new()
    subscription.refresh_from_db()
    assert subscription.has_ended
    assert host.customer.exists_at_provider
    assert recorded_signals.names.count("customer_deleted") == 1


def test_customer_deleted_at_stripe__details_changed_since(host: SubscriptionHost) -> None:
    host.subscribed()
    old = host.customer.provider_id
    host.fake.delete_customer(old)
    host.user.email = "new@example.com"
    host.user.save()
    assert host.subscribe(host.premium)["status"] == "incomplete"
    assert host.customer.former_ids == [old]
    assert host.fake.get(host.customer.provider_id)["email"] == "new@example.com"
    host.deliver_new()
    assert host.customer.exists_at_provider


def test_same_key__same_answer(host: SubscriptionHost) -> None:
    body = {"plan_id": host.basic.plan_id}
    first, again = (host.post("subscribe", body, headers={"Idempotency-Key": "k1"}) for _try in range(2))
    assert (first.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    other = host.post("subscribe", {"plan_id": host.premium.plan_id}, headers={"Idempotency-Key": "k1"})
    assert other.status_code == 409
    assert len(host.fake.all("subscription")) == 1
