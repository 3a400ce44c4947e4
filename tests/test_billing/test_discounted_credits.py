"""What a discount gave is never credited, in either billing mode; and a code is used once, wherever it was entered."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.models import PlanPricing, Subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _sold_per_seat(host: SubscriptionHost) -> None:
    PlanPricing.objects.update(is_per_seat=True)
    for pricing in (host.basic, host.premium):
        pricing.refresh_from_db()


def code(host: SubscriptionHost, name: str, **coupon: Any) -> str:
    made: dict[str, Any] = host.fake.promotion_code(host.fake.coupon(**coupon)["id"], name)
    return str(made["id"])


def credited(host: SubscriptionHost) -> int:
    """Return what the customer was credited, or will be, in cents."""
    waiting = sum(item["amount"] for item in host.fake.all("invoiceitem") if item["invoice"] is None)
    balance: int = host.fake.get(host.customer.provider_id)["balance"]
    return -balance - waiting


def seats(host: SubscriptionHost, subscription: Subscription, quantity: int) -> Any:
    answer = host.post("change", {"subscription_id": subscription.provider_id, "quantity": quantity})
    host.deliver_new()
    return answer


def begun(host: SubscriptionHost, mode: str, **asked: Any) -> Subscription:
    subscription = host.subscribed(host.basic, **asked)
    if mode == "classic":
        host.fake.make_classic(str(subscription.provider_id))
    return subscription


def test_change__of_what_a_code_has_paid(host: SubscriptionHost) -> None:
    yearly = host.sell("premium", Decimal("480.00"), interval="year")
    code(host, "FIRST", percent_off=100, duration="once")
    found = host.subscribed(host.premium, pricing_id=yearly.pk, promotion_code="FIRST")
    answer = host.post("change", {"subscription_id": found.provider_id, "pricing_id": host.basic.pk})
    assert answer.status_code == 200
    assert credited(host) == 0


@pytest.mark.parametrize("version", ["2025-08-27.basil", ""])
def test_subscribe__billing_mode(host: SubscriptionHost, settings: Any, version: str) -> None:
    settings.STRIPE_GATEWAY_API_VERSION = version
    found = host.subscribed(host.basic)
    assert host.fake.get(found.provider_id)["billing_mode"]["type"] == "flexible"
    host.post("cancel", {"subscription_id": found.provider_id, "at_period_end": False})
    host.deliver_new()
    host.subscribe(mode="checkout")
    host.fake.complete_checkout(host.fake.all("checkout.session")[-1]["id"])
    assert host.fake.all("subscription")[-1]["billing_mode"]["type"] == "flexible"


@pytest.mark.parametrize(
    "coupon",
    [{"percent_off": 100, "duration": "once"}, {"amount_off": 10_000, "currency": "usd", "duration": "once"}],
)
def test_change__classic(host: SubscriptionHost, coupon: dict[str, Any]) -> None:
    code(host, "FIRST", **coupon)
    found = begun(host, "classic", quantity=50, promotion_code="FIRST")
    answer = seats(host, found, 1)
    assert (answer.status_code, answer.json()["code"]) == (409, "unpaid_period")
    assert seats(host, found, 51).status_code == 200
    answer = host.post("change", {"subscription_id": found.provider_id, "quantity": 1, "at_period_end": True})
    assert answer.status_code == 200
    assert credited(host) <= 0


@pytest.mark.parametrize("mode", ["flexible", "classic"])
def test_change__of_what_was_discounted_alike(host: SubscriptionHost, mode: str) -> None:
    code(host, "HALF", percent_off=50, duration="forever")
    found = begun(host, mode, quantity=10, promotion_code="HALF")
    assert seats(host, found, 4).status_code == 200
    host.fake.advance(days=3)
    assert seats(host, found, 2).status_code == 200
    assert 0 < credited(host) <= 8000


@pytest.mark.parametrize("mode", ["flexible", "classic"])
@pytest.mark.parametrize("how", ["credit", "refund"])
def test_cancel__gives_back_what_was_paid(host: SubscriptionHost, settings: Any, mode: str, how: str) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default", "refund_unused"]
    code(host, "HALF", percent_off=50, duration="once")
    found = begun(host, mode, quantity=10, promotion_code="HALF")
    host.fake.advance(days=15)
    host.deliver_new()
    body = {"subscription_id": found.provider_id, "at_period_end": False, "refund_unused": how}
    answer = host.post("cancel", body)
    given_back = credited(host) + sum(refund["amount"] for refund in host.fake.all("refund"))
    if mode == "classic":
        assert answer.status_code == 409
        assert given_back == 0
        assert not now(found).has_ended
        return
    assert answer.status_code == 200
    assert 4700 <= given_back <= 5300


def test_discount__a_code_of_a_page(host: SubscriptionHost) -> None:
    used = code(host, "WELCOME", percent_off=50, duration="once")
    host.subscribe(mode="checkout")
    page = host.fake.all("checkout.session")[0]
    assert page["allow_promotion_codes"] is True
    host.fake.complete_checkout(page["id"])
    host.deliver_new()
    found = Subscription.objects.get()
    # As it would be after the customer has entered it there.
    host.fake.change_subscription(str(found.provider_id), {"discounts": [{"promotion_code": used}]})
    host.fake.advance(days=31, seconds=7200)
    host.deliver_new()
    assert now(found).discounts == []
    answer = host.post("discount", {"subscription_id": found.provider_id, "promotion_code": "WELCOME"})
    assert (answer.status_code, answer.json()["code"]) == (400, "promotion_code_used")
    host.post("cancel", {"subscription_id": found.provider_id, "at_period_end": False})
    host.deliver_new()
    again = {"plan_id": host.basic.plan_id, "promotion_code": "WELCOME"}
    for mode in ("direct", "checkout"):
        assert host.post("subscribe", again | {"mode": mode}).json()["code"] == "promotion_code_used"
    # The page would take it again.
    host.subscribe(mode="checkout")
    assert not host.fake.all("checkout.session")[-1]["allow_promotion_codes"]
