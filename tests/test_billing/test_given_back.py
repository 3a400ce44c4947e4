"""What was given back, by the seller or by the customer's bank, is not credited once more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.models import PlanPricing, Subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now
from tests.test_billing.test_credits import credited

pytestmark = pytest.mark.django_db(transaction=True)

Way = Callable[[SubscriptionHost, str], Any]


@pytest.fixture(autouse=True)
def clock(stripe_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everybody's clock be Stripe's."""
    monkeypatch.setattr(timezone, "now", lambda: datetime.fromtimestamp(stripe_server.state.now(), UTC))


def refund(host: SubscriptionHost, intent_id: str) -> None:
    host.fake.dashboard_refund(intent_id)


def refund_most(host: SubscriptionHost, intent_id: str) -> None:
    host.fake.dashboard_refund(intent_id, host.fake.get(intent_id)["amount"] * 5 // 6)


def dispute(host: SubscriptionHost, intent_id: str) -> None:
    host.fake.dispute(intent_id)


def lose(host: SubscriptionHost, intent_id: str) -> None:
    dispute(host, intent_id)
    host.fake.close_dispute(host.fake.all("dispute")[-1]["id"], won=False)


def note(host: SubscriptionHost, intent_id: str) -> None:
    invoice, amount = host.fake.all("invoice")[-1]["id"], host.fake.get(intent_id)["amount"]
    host.v1.credit_notes.create({"invoice": invoice, "amount": amount, "refund_amount": amount})


def win(host: SubscriptionHost, intent_id: str) -> None:
    dispute(host, intent_id)
    host.fake.close_dispute(host.fake.all("dispute")[-1]["id"], won=True)


def inquire(host: SubscriptionHost, intent_id: str) -> None:
    host.fake.dispute(intent_id, status="warning_needs_response")


def fail_refund(host: SubscriptionHost, intent_id: str) -> None:
    host.fake.dashboard_refund(intent_id)
    host.fake.fail_refund(host.fake.all("refund")[-1]["id"])


GIVEN_BACK: list[Way] = [refund, refund_most, dispute, lose, note]
KEPT: list[Way] = [win, inquire, fail_refund]


def with_year(host: SubscriptionHost) -> Subscription:
    """Return a subscription of which a year was paid, a minute ago."""
    yearly = host.sell("premium", Decimal("480.00"), interval="year")
    found = host.subscribed(host.premium, pricing_id=yearly.pk)
    host.fake.advance(seconds=60)
    return found


def give_back(host: SubscriptionHost, way: Way) -> None:
    way(host, host.fake.all("payment_intent")[-1]["id"])
    host.deliver_new()


def ask(host: SubscriptionHost, verb: str, found: Subscription, **body: Any) -> Any:
    answer = host.post(verb, {"subscription_id": found.provider_id, **body})
    host.deliver_new()
    return answer


@pytest.mark.parametrize("way", GIVEN_BACK)
@pytest.mark.parametrize("is_classic", [False, True])
def test_change(either_host: SubscriptionHost, way: Way, is_classic: bool) -> None:
    host = either_host
    found = with_year(host)
    if is_classic:
        host.fake.make_classic(found.provider_id)
    give_back(host, way)
    answer = ask(host, "change", found, pricing_id=host.premium.pk)
    assert (answer.status_code, answer.json()["code"]) == (409, "unpaid_period")
    assert credited(host) == 0
    # What credits nothing stays possible.
    assert ask(host, "change", found, pricing_id=host.premium.pk, at_period_end=True).status_code == 200
    assert credited(host) == 0


@pytest.mark.parametrize("way", KEPT)
def test_change__the_money_stayed(either_host: SubscriptionHost, way: Way) -> None:
    host = either_host
    found = with_year(host)
    give_back(host, way)
    assert ask(host, "change", found, pricing_id=host.premium.pk).status_code == 200
    assert credited(host) > 0


@pytest.mark.parametrize("way", [refund, lose])
def test_end(host: SubscriptionHost, settings: Any, way: Way) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default", "refund_unused"]
    found = with_year(host)
    give_back(host, way)
    answer = ask(host, "cancel", found, at_period_end=False, refund_unused="credit")
    assert (answer.status_code, answer.json()["code"]) == (409, "unpaid_period")
    before = len(host.fake.all("refund"))
    ask(host, "cancel", found, at_period_end=False, refund_unused="refund")
    assert len(host.fake.all("refund")) == before
    assert credited(host) == 0


def test_seats(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "invoice_increases"
    PlanPricing.objects.update(is_per_seat=True)
    found = host.subscribed(host.basic)
    assert ask(host, "change", found, quantity=100).status_code == 200
    give_back(host, dispute)
    answer = ask(host, "change", found, quantity=1)
    assert (answer.status_code, answer.json()["code"]) == (409, "unpaid_period")
    assert credited(host) == 0


def test_note_before_the_payment(host: SubscriptionHost) -> None:
    """Stripe charges less then, and credits the whole price."""
    yearly = host.sell("premium", Decimal("480.00"), interval="year")
    host.post("subscribe", {"plan_id": yearly.plan_id, "pricing_id": yearly.pk})
    found = Subscription.objects.get()
    invoice = host.fake.get(found.provider_id)["latest_invoice"]
    host.v1.credit_notes.create({"invoice": invoice, "amount": 40_000})
    host.fake.customer_pays(found.provider_id)
    host.deliver_new()
    assert host.fake.get(invoice)["amount_paid"] == 8_000
    answer = ask(host, "change", found, pricing_id=host.premium.pk)
    assert (answer.status_code, answer.json()["code"]) == (409, "unpaid_period")
    assert credited(host) == 0


def test_next_period__is_paid(host: SubscriptionHost) -> None:
    found = host.subscribed(host.premium)
    host.change_card(found, "pm_card_visa")
    give_back(host, lose)
    host.fake.advance(days=31, hours=2)
    host.deliver_new()
    assert ask(host, "change", now(found), plan_id=host.basic.plan_id).status_code == 200
    assert credited(host) > 0


def test_cost(host: SubscriptionHost, settings: Any) -> None:
    """A change that credits asks for what was given back of what covers the rest; any other asks for nothing."""
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "invoice_increases"
    PlanPricing.objects.update(is_per_seat=True)
    found = host.subscribed(host.premium)
    host.change_card(found, "pm_card_visa")
    host.fake.advance(days=31, hours=2)
    host.deliver_new()
    asked = ("/v1/refunds", "/v1/disputes", "/v1/credit_notes", "/v1/invoices/create_preview")
    host.fake.forget_requests()
    assert ask(host, "change", found, quantity=2).status_code == 200
    assert not [one for one in host.fake.requests if one.path in asked]
    assert ask(host, "change", found, quantity=1).status_code == 200
    paths = [one.path for one in host.fake.requests if one.path in asked]
    # Of the two invoices that were paid for the time that runs.
    assert sorted(paths) == ["/v1/disputes"] * 2 + ["/v1/refunds"] * 2
