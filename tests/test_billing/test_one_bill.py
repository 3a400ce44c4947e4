"""One running subscription an owner: what may not begin beside what, whoever has begun it, and wherever."""

from __future__ import annotations

import functools
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_concurrency import client_of
from tests.test_webhooks.support import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


def refusal(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def made_at_stripe(host: SubscriptionHost, customer_id: str, price_id: str | None = None) -> str:
    """Let the seller start a subscription in the Dashboard, of which no event has arrived."""
    item = {"price": price_id or host.basic.stripe_price_id}
    params = {"customer": customer_id, "items": [item], "collection_method": "send_invoice", "days_until_due": 30}
    made = host.v1.subscriptions.create(params)
    return str(made.id)


def paying(host: SubscriptionHost) -> int:
    """Return how many subscriptions at Stripe somebody pays for, or can still pay for."""
    over = ("canceled", "incomplete_expired")
    open_pages = [page for page in host.fake.all("checkout.session") if page["status"] == "open"]
    return len([one for one in host.fake.all("subscription") if one["status"] not in over]) + len(open_pages)


@pytest.mark.parametrize("mode", ["direct", "checkout"])
def test_another_plan__is_a_change(host: SubscriptionHost, mode: str) -> None:
    running = host.subscribed()
    refused = host.post("subscribe", {"plan_id": host.premium.plan_id, "mode": mode})
    assert refusal(refused) == (409, "already_subscribed")
    assert "change/" in refused.json()["detail"]
    body = {"subscription_id": running.provider_id, "plan_id": host.premium.plan_id}
    assert host.post("change", body).json()["plan"]["slug"] == "premium"
    assert len(host.fake.all("subscription")) == 1


@pytest.mark.parametrize(
    ("rule", "other", "same"), [("one", 409, 409), ("one_per_plan", 201, 409), ("several", 201, 201)]
)
def test_rules(host: SubscriptionHost, settings: Any, rule: str, other: int, same: int) -> None:
    settings.STRIPE_GATEWAY_SUBSCRIPTIONS_PER_OWNER = rule
    host.subscribed()
    assert host.post("subscribe", {"plan_id": host.premium.plan_id}).status_code == other
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}).status_code == same


@pytest.mark.parametrize("first", ["direct", "checkout"])
@pytest.mark.parametrize("then", ["direct", "checkout"])
def test_abandoned_attempt_at_another_plan__steps_aside(either_host: SubscriptionHost, first: str, then: str) -> None:
    host = either_host
    host.subscribe(host.basic, mode=first)
    host.subscribe(host.premium, mode=then)
    assert Subscription.objects.not_ended().get().plan == host.premium.plan
    assert paying(host) == 1


@pytest.mark.parametrize(
    ("status", "code", "way"),
    [
        ("past_due", "open_invoice", "invoices/"),
        ("unpaid", "open_invoice", "invoices/"),
        ("paused", "already_subscribed", "paused"),
        ("active", "already_subscribed", "change/"),
        ("trialing", "already_subscribed", "change/"),
    ],
)
def test_what_runs__names_the_way(host: SubscriptionHost, settings: Any, status: str, code: str, way: str) -> None:
    settings.STRIPE_GATEWAY_ASK_BEFORE_SALE = False
    host.subscribed()
    Subscription.objects.update(status=status)
    refused = host.post("subscribe", {"plan_id": host.premium.plan_id})
    assert refusal(refused) == (409, code)
    assert way in refused.json()["detail"]


def test_way_out_of_unpaid(host: SubscriptionHost) -> None:
    """Its open invoice can be paid, with another card as well."""
    running = host.subscribed()
    host.change_card(running, "pm_card_chargeCustomerFail")
    host.fake.advance(days=31, hours=2)
    host.deliver_new()
    assert refusal(host.post("subscribe", {"plan_id": host.premium.plan_id})) == (409, "open_invoice")
    host.change_card(running, "pm_card_visa")
    (invoice,) = [one for one in host.get("invoices").json()["results"] if one["status"] == "open"]
    paid = host.post(f"invoices/{invoice['invoice_id']}/pay")
    assert (paid.status_code, paid.json()["status"]) == (200, "paid")
    assert Subscription.objects.get().status == "active"


def test_change_closes_pages_of_every_plan(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_SUBSCRIPTIONS_PER_OWNER = "several"
    running = host.subscribed()
    host.subscribe(host.premium, mode="checkout")
    settings.STRIPE_GATEWAY_SUBSCRIPTIONS_PER_OWNER = "one"
    yearly = host.sell("basic", Decimal("200.00"), interval="year")
    body = {"subscription_id": running.provider_id, "pricing_id": yearly.pk}
    assert host.post("change", body).status_code == 200
    assert paying(host) == 1


def test_second_one_all_the_same__staff_can_see_it(host: SubscriptionHost, caplog: pytest.LogCaptureFixture) -> None:
    first = host.subscribed()
    second = made_at_stripe(host, host.customer.provider_id or "", host.premium.stripe_price_id)
    host.deliver_new()
    found = Subscription.objects.get(provider_id=second)
    assert found.is_valid
    (line,) = found.logs.filter(event="mismatch")
    assert first.provider_id in line.message
    assert f"{second} runs beside {first.provider_id}" in caplog.text


@pytest.mark.parametrize("modes", [("direct", "direct"), ("direct", "checkout"), ("checkout", "checkout")])
def test_two_plans_at_once(host: SubscriptionHost, modes: tuple[str, str]) -> None:
    """Only one of them can ever be paid."""
    plans = (host.basic.plan_id, host.premium.plan_id)
    bodies = [{"plan_id": plan, "mode": mode} for plan, mode in zip(plans, modes, strict=True)] * 3
    calls = [functools.partial(host.post, "subscribe", body, client=client_of(host.user)) for body in bodies]
    answers = in_threads(calls, len(calls))
    assert {answer.status_code for answer in answers} <= {201, 409}, [answer.content for answer in answers]
    assert paying(host) <= 1
    assert Subscription.objects.not_ended().count() <= 1
    assert Customer.objects.count() == 1


def test_subscribe_and_change_at_once(host: SubscriptionHost) -> None:
    running = host.subscribed()
    third = host.sell("third", Decimal("70.00"))
    change = {"subscription_id": running.provider_id, "plan_id": host.premium.plan_id}
    calls = [
        functools.partial(host.post, "change", change, client=client_of(host.user)),
        functools.partial(host.post, "subscribe", {"plan_id": third.plan_id}, client=client_of(host.user)),
        functools.partial(
            host.post, "subscribe", {"plan_id": third.plan_id, "mode": "checkout"}, client=client_of(host.user)
        ),
    ]
    answers = in_threads(calls, len(calls))
    assert {answer.status_code for answer in answers} <= {200, 409}, [answer.content for answer in answers]
    assert paying(host) == 1


# Stripe is asked before anything is sold.


@pytest.mark.parametrize("mode", ["direct", "checkout"])
def test_of_a_known_customer__is_taken_in(either_host: SubscriptionHost, mode: str) -> None:
    host = either_host
    customer = ensure_customer(owner=host.user)
    made = made_at_stripe(host, customer.provider_id or "")
    refused = host.post("subscribe", {"plan_id": host.premium.plan_id, "mode": mode})
    assert refusal(refused) == (409, "already_subscribed")
    found = Subscription.objects.get(provider_id=made)
    assert (found.status, found.plan, found.customer) == ("active", host.basic.plan, customer)
    assert (len(host.fake.all("subscription")), host.fake.all("checkout.session")) == (1, [])
    # It is theirs.
    assert host.post("cancel", {"subscription_id": made}).json()["cancel_at_period_end"] is True


def test_ended_there_unheard__stands_in_nobodys_way(host: SubscriptionHost) -> None:
    running = host.subscribed()
    host.v1.subscriptions.cancel(running.provider_id)
    assert host.subscribe(host.premium)["status"] == "incomplete"
    running.refresh_from_db()
    assert running.has_ended


@pytest.mark.parametrize("metadata", [{}, {"owner_id": ""}, "own"])
def test_of_an_address__is_not_sold_again_and_not_given(host: SubscriptionHost, metadata: Any) -> None:
    host.user.email = "ada@example.com"
    host.user.save()
    mark = {"owner_id": str(host.user.pk)} if metadata == "own" else metadata
    elsewhere = host.v1.customers.create({"email": "ada@example.com", "metadata": mark})
    made_at_stripe(host, elsewhere.id)
    host.new_events()
    for _try in range(2):
        assert refusal(host.post("subscribe", {"plan_id": host.premium.plan_id})) == (409, "subscribed_elsewhere")
    # The first card of theirs makes them a customer here, and changes nothing of that.
    assert ensure_customer(owner=host.user).provider_id != elsewhere.id
    assert refusal(host.post("subscribe", {"plan_id": host.premium.plan_id})) == (409, "subscribed_elsewhere")
    assert not Subscription.objects.exists()
    host.v1.subscriptions.cancel(host.fake.all("subscription")[0]["id"])
    assert host.subscribe(host.premium)["status"] == "incomplete"


@pytest.mark.parametrize(
    ("here", "there", "status"),
    [
        ("Ada@Example.com", "ada@example.com", 409),
        ("Ada@Example.com", "Ada@Example.com", 409),
        ("ada@example.com", "ada@example.com", 409),
        # Stripe compares exactly: other capitals cannot be asked for.
        ("ada@example.com", "ADA@example.com", 201),
    ],
)
def test_of_an_address__in_capitals(host: SubscriptionHost, here: str, there: str, status: int) -> None:
    host.user.email = here
    host.user.save()
    made_at_stripe(host, host.v1.customers.create({"email": there}).id)
    answer = host.post("subscribe", {"plan_id": host.premium.plan_id})
    assert answer.status_code == status
    assert status == 201 or "e-mail" not in answer.json()["detail"]


def test_of_an_address__of_who_once_subscribed_here(host: SubscriptionHost) -> None:
    host.user.email = "ada@example.com"
    host.user.save()
    before = host.subscribed()
    cancel_subscription(subscription=before, at_period_end=False)
    made_at_stripe(host, host.v1.customers.create({"email": "ada@example.com"}).id)
    assert refusal(host.post("subscribe", {"plan_id": host.premium.plan_id})) == (409, "subscribed_elsewhere")


def test_of_an_address__own_row_of_another_account(host: SubscriptionHost) -> None:
    host.user.email = "ada@example.com"
    host.user.save()
    there = host.v1.customers.create({"email": "ada@example.com"}).id
    made_at_stripe(host, there)
    ensure_customer(owner=host.user)
    Customer.objects.create(owner=host.user, variant="stripe", provider_id=there, livemode=True)
    assert refusal(host.post("subscribe", {"plan_id": host.premium.plan_id})) == (409, "subscribed_elsewhere")


class Unverified(Adapter):
    """A host whose users enter any address."""

    def has_verified_email(self, owner: Any) -> bool:
        return False


@pytest.mark.parametrize(("is_own", "status"), [(False, 201), (True, 409)])
def test_of_an_address__that_nobody_has_verified(
    host: SubscriptionHost, settings: Any, is_own: bool, status: int
) -> None:
    """A stranger's address tells nothing, nor does a Payment Link shut its owner out."""
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.Unverified"
    host.user.email = "ada@example.com"
    host.user.save()
    mark = {"owner_id": str(host.user.pk)} if is_own else {}
    made_at_stripe(host, host.v1.customers.create({"email": "ada@example.com", "metadata": mark}).id)
    assert host.post("subscribe", {"plan_id": host.premium.plan_id}).status_code == status


def test_cost__however_an_address_is_written(host: SubscriptionHost) -> None:
    host.user.email = "Ada@Example.com"
    host.user.save()
    for _number in range(2):
        cancel_subscription(subscription=host.subscribed(), at_period_end=False)
    host.fake.forget_requests()
    host.subscribe()
    asked = [request.path for request in host.fake.requests if request.method == "GET"]
    # One for what those that have ended may have left open.
    assert asked == ["/v1/subscriptions", "/v1/invoices", "/v1/customers", "/v1/customers"]


def of_another_site(host: SubscriptionHost) -> dict[str, Any]:
    return {"email": "ada@example.com", "metadata": {"owner_id": str(host.user.pk + 1)}}


def of_another_address(host: SubscriptionHost) -> dict[str, Any]:
    """Their key on another site with the same account."""
    return {"email": "grace@example.com", "metadata": {"owner_id": str(host.user.pk)}}


@pytest.mark.parametrize("customer", [of_another_site, of_another_address])
def test_of_somebody_else(host: SubscriptionHost, customer: Any) -> None:
    host.user.email = "ada@example.com"
    host.user.save()
    made_at_stripe(host, host.v1.customers.create(customer(host)).id)
    assert host.subscribe(host.premium)["status"] == "incomplete"


def test_of_another_owner_here(host: SubscriptionHost, django_user_model: Any) -> None:
    other = django_user_model.objects.create_user("other", email="ada@example.com")
    subscribe(owner=other, plan=host.basic.plan)
    host.fake.customer_pays(host.fake.all("subscription")[0]["id"], "pm_card_visa")
    host.user.email = "ada@example.com"
    host.user.save()
    assert host.subscribe(host.premium)["status"] == "incomplete"


def test_of_an_owner_who_is_gone(host: SubscriptionHost, django_user_model: Any) -> None:
    other = django_user_model.objects.create_user("other", email="ada@example.com")
    subscribe(owner=other, plan=host.basic.plan)
    host.fake.customer_pays(host.fake.all("subscription")[0]["id"], "pm_card_visa")
    host.deliver_new()
    Customer.objects.update(owner=None)
    host.user.email = "ada@example.com"
    host.user.save()
    assert refusal(host.post("subscribe", {"plan_id": host.premium.plan_id})) == (409, "subscribed_elsewhere")


@pytest.mark.parametrize(("plan", "status"), [("basic", 409), ("premium", 201)])
def test_of_an_address__one_per_plan(host: SubscriptionHost, one_per_plan: None, plan: str, status: int) -> None:
    host.user.email = "ada@example.com"
    host.user.save()
    made_at_stripe(host, host.v1.customers.create({"email": "ada@example.com"}).id)
    assert host.post("subscribe", {"plan_id": getattr(host, plan).plan_id}).status_code == status


@pytest.mark.parametrize(("setting", "value"), [("ASK_BEFORE_SALE", False), ("SUBSCRIPTIONS_PER_OWNER", "several")])
def test_nobody_is_asked(host: SubscriptionHost, settings: Any, setting: str, value: Any) -> None:
    ensure_customer(owner=host.user)
    setattr(settings, f"STRIPE_GATEWAY_{setting}", value)
    host.fake.forget_requests()
    host.subscribe()
    assert [request.method for request in host.fake.requests] == ["POST"]


def test_cost(host: SubscriptionHost) -> None:
    """A call for a known customer, and another one before the first subscription."""
    host.user.email = "ada@example.com"
    host.user.save()
    ensure_customer(owner=host.user)
    host.fake.forget_requests()
    host.subscribe()
    asked = [(request.method, request.path) for request in host.fake.requests]
    assert asked == [("GET", "/v1/subscriptions"), ("GET", "/v1/customers"), ("POST", "/v1/subscriptions")]


def test_stripe_is_silent__nothing_is_sold(host: SubscriptionHost) -> None:
    ensure_customer(owner=host.user)
    host.fake.fault("GET", "/v1/subscriptions", kind="error_500_before")
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}).status_code == 502
    assert host.fake.all("subscription") == []


@pytest.mark.parametrize("mode", ["direct", "checkout"])
def test_repeat_with_its_key__asks_nobody_and_closes_nothing(host: SubscriptionHost, mode: str) -> None:
    pages = dict.fromkeys(("success_url", "cancel_url"), "https://shop.test/")
    ask = functools.partial(subscribe, owner=host.user, plan=host.basic.plan, mode=mode, idempotency_key="k", **pages)
    first = ask()
    assert ask() == first
    assert paying(host) == 1
