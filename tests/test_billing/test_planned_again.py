"""What was scheduled for the period's end stays so when something else is asked for, and refused."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from django_stripe_gateway.exceptions import GatewayError, ProviderUnavailable
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import BillingOperation, PlanPricing, Subscription, SubscriptionLog
from django_stripe_gateway.services.subscriptions.discounts import apply_discount
from django_stripe_gateway.subscriptions import change_subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import now, planned, running_schedules

pytestmark = pytest.mark.django_db(transaction=True)


def archive(pricing: PlanPricing) -> PlanPricing:
    """Let a price be sold no more at Stripe alone."""
    v1: Any = get_billing_gateway("stripe").v1  # type: ignore[attr-defined]
    v1.prices.update(pricing.stripe_price_id, {"active": False})
    return pricing


def first_time_code(host: SubscriptionHost) -> None:
    """Let there be a code for customers who have bought nothing yet."""
    coupon = host.fake.coupon(percent_off=50, duration="forever")["id"]
    host.fake.promotion_code(coupon, "NEW", restrictions={"first_time_transaction": True})


def discount(host: SubscriptionHost, found: Subscription) -> tuple[str, dict[str, Any], int]:
    first_time_code(host)
    return "discount", {"promotion_code": "NEW"}, 400


def add_on(host: SubscriptionHost, found: Subscription) -> tuple[str, dict[str, Any], int]:
    support = archive(host.sell("support", Decimal("5.00"), is_add_on=True, may_be_added=True))
    return "items", {"pricing_id": support.pk}, 400


def plan(host: SubscriptionHost, found: Subscription) -> tuple[str, dict[str, Any], int]:
    return "change", {"plan_id": archive(host.sell("gold", Decimal("90.00"))).plan_id}, 400


def declined(host: SubscriptionHost, found: Subscription) -> tuple[str, dict[str, Any], int]:
    """Ask for a plan that ends, for which no change can wait."""
    host.change_card(found, "pm_card_chargeCustomerFail")
    once = host.sell("course", Decimal("90.00"), auto_renew=False, interval="year")
    return "change", {"pricing_id": once.pk}, 402


@pytest.fixture
def downgraded(either_host: SubscriptionHost) -> Subscription:
    """Return a subscription that will have the cheaper plan."""
    subscription = either_host.subscribed(either_host.premium)
    return change_subscription(subscription=subscription, pricing=either_host.basic, at_period_end=True)


@pytest.mark.parametrize("ask", [discount, add_on, plan, declined])
def test_refused(
    either_host: SubscriptionHost,
    downgraded: Subscription,
    ask: Callable[[SubscriptionHost, Subscription], tuple[str, dict[str, Any], int]],
) -> None:
    host = either_host
    path, body, status = ask(host, downgraded)
    assert host.post(path, {"subscription_id": downgraded.provider_id, **body}).status_code == status
    assert planned(downgraded) == (host.basic, 1, True)
    assert [now(downgraded).schedule_id] == running_schedules(host)
    assert not SubscriptionLog.objects.filter(message__startswith="scheduled change dropped").exists()
    host.deliver_new()
    assert planned(downgraded) == (host.basic, 1, True)
    host.change_card(downgraded, "pm_card_visa")
    host.fake.advance(days=32)
    host.deliver_new()
    assert now(downgraded).plan == host.basic.plan
    assert host.fake.get(host.fake.get(downgraded.provider_id)["latest_invoice"])["total"] == 2000


def test_refused_twice(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    first_time_code(either_host)
    body = {"subscription_id": downgraded.provider_id, "promotion_code": "NEW"}
    for _attempt in range(2):
        assert either_host.post("discount", body).status_code == 400
    assert (planned(downgraded), len(running_schedules(either_host))) == ((either_host.basic, 1, True), 1)


def test_seats_and_an_end_are_kept(either_host: SubscriptionHost) -> None:
    host = either_host
    found = host.subscribed(host.premium)
    course = host.sell("course", Decimal("9.00"), auto_renew=False, is_per_seat=True)
    change_subscription(subscription=found, pricing=course, quantity=3, at_period_end=True)
    first_time_code(host)
    with pytest.raises(GatewayError):
        apply_discount(subscription=now(found), promotion_code="NEW")
    assert planned(found) == (course, 3, True)
    host.fake.advance(days=32)
    host.deliver_new()
    assert (now(found).plan, now(found).quantity, now(found).on_grace_period) == (course.plan, 3, True)


def test_what_cannot_be_planned_any_more__is_lost(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    host = either_host
    archive(host.basic)
    first_time_code(host)
    body = {"subscription_id": downgraded.provider_id, "promotion_code": "NEW"}
    assert host.post("discount", body).status_code == 400
    # Nor does an empty schedule stand in anybody's way.
    assert (now(downgraded).scheduled_change, running_schedules(host)) == (None, [])
    assert SubscriptionLog.objects.filter(message__startswith="scheduled change dropped").count() == 1


@pytest.mark.parametrize("method", ["change_discounts", "start_schedule", "schedule_change", "retrieve_subscription"])
@pytest.mark.parametrize("is_done", [False, True])
def test_killed(
    either_host: SubscriptionHost,
    downgraded: Subscription,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    is_done: bool,
) -> None:
    """Before a call, or after it; ``reconcile`` carries out the rest."""
    host, gateway = either_host, type(get_billing_gateway("stripe"))
    first_time_code(host)
    real = getattr(gateway, method)

    class Killed(BaseException):
        pass

    def die(*args: Any, **kwargs: Any) -> None:
        if is_done:
            with contextlib.suppress(GatewayError):
                real(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(gateway, method, die)
        with pytest.raises(Killed):
            apply_discount(subscription=now(downgraded), promotion_code="NEW")
    host.deliver_new()
    operation = BillingOperation.objects.pending().get()
    BillingOperation.objects.pending().update(leased_until=operation.created)
    call_command("reconcile")
    host.deliver_new()
    assert not BillingOperation.objects.pending().exists()
    assert (planned(downgraded), len(running_schedules(host))) == ((host.basic, 1, True), 1)


def test_nobody_knows(either_host: SubscriptionHost, downgraded: Subscription) -> None:
    """While it is not known whether it is planned, the operation is not over."""
    host = either_host
    first_time_code(host)
    host.fake.fault("POST", "/v1/subscription_schedules", kind="reset_after")
    with pytest.raises(ProviderUnavailable):
        apply_discount(subscription=now(downgraded), promotion_code="NEW")
    call_command("reconcile")
    host.deliver_new()
    assert not BillingOperation.objects.pending().exists()
    assert (planned(downgraded), len(running_schedules(host))) == ((host.basic, 1, True), 1)


@pytest.mark.parametrize("method", ["release_schedule", "change_subscription"])
def test_killed__and_refused_before_it_would_let_go(
    either_host: SubscriptionHost,
    downgraded: Subscription,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    method: str,
) -> None:
    """The second attempt would credit what is not paid by then; the first had let go, or was about to."""
    host, gateway = either_host, type(get_billing_gateway("stripe"))
    gold = host.sell("gold", Decimal("90.00"))
    support = host.sell("support", Decimal("15.00"), is_add_on=True)

    class Killed(BaseException):
        pass

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(gateway, method, die)
        with pytest.raises(Killed):
            change_subscription(subscription=now(downgraded), pricing=gold)
    sent = {"collection_method": "send_invoice", "days_until_due": 30}
    more = {"items": [{"price": support.stripe_price_id}], "proration_behavior": "always_invoice"}
    for change in (sent, more):
        host.fake.change_subscription(downgraded.provider_id, change)
    operation = BillingOperation.objects.pending().get()
    BillingOperation.objects.pending().update(leased_until=operation.created)
    call_command("reconcile")
    host.deliver_new()
    operation.refresh_from_db()
    assert (operation.state, operation.error["code"]) == ("failed", "open_invoice")
    assert (planned(downgraded), len(running_schedules(host))) == ((host.basic, 1, True), 1)
    assert "is lost" not in caplog.text
