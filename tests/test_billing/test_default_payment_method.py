"""What is shown as the default payment method is what is charged, on running subscriptions too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection

from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.gateways.stripe.catalogue_objects import customer_snapshot
from django_stripe_gateway.models import BillingOperation, Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.default_payment_method import (
    payment_methods_in_use,
    set_default_payment_method,
)
from django_stripe_gateway.subscriptions import change_subscription, subscribe
from tests.test_billing.host import ROOT, SubscriptionHost
from tests.test_webhooks.support import in_threads

pytestmark = pytest.mark.django_db(transaction=True)


def add_card(host: SubscriptionHost, card: str = "pm_card_mastercard") -> str:
    """Give the customer another card, which nothing is charged on yet."""
    gateway = get_billing_gateway("stripe")
    added = gateway.attach_payment_method(card, host.customer.provider_id or "", idempotency_key=f"add-{card}")
    return added.payment_method_id


def shown(host: SubscriptionHost) -> dict[str, tuple[bool, list[str]]]:
    """Return what the list says of each payment method: whether it is the default, and what is charged on it."""
    found = host.get("payment_methods").json()["results"]
    return {one["payment_method_id"]: (one["is_default"], one["subscriptions"]) for one in found}


def make_default(host: SubscriptionHost, method_id: str) -> Any:
    answer = host.post(f"payment_methods/{method_id}/default")
    assert answer.status_code == 200, answer.content
    return answer.json()


def make_default_in_thread(host: SubscriptionHost, method_id: str) -> Any:
    try:
        return make_default(host, method_id)
    finally:
        connection.close()


def charged_cards(host: SubscriptionHost, subscription: Subscription) -> list[str]:
    """Return what the invoices of a subscription were charged on, the first one first."""
    intents = [host.fake.get(host.fake.intent_of(one["id"])) for one in host.fake.all("invoice")]
    return [intent["payment_method"] for intent in intents if intent["status"] == "succeeded"]


def test_renewal_is_charged_on_the_new_default(either_host: SubscriptionHost) -> None:
    host = either_host
    subscription = host.subscribed()
    first = host.fake.get(subscription.provider_id)["default_payment_method"]
    # What was paid with is what renews, whether or not it is anybody's default.
    assert shown(host) == {first: (True, [subscription.provider_id])}
    second = add_card(host)
    assert make_default(host, second) == host.get("payment_methods").json()["results"][0]
    assert shown(host) == {second: (True, [subscription.provider_id]), first: (False, [])}
    subscription.refresh_from_db()
    assert (subscription.default_payment_method, host.customer.default_payment_method) == ("", second)
    assert host.fake.get(subscription.provider_id)["default_payment_method"] is None
    host.fake.advance(days=32)
    host.deliver_new()
    assert charged_cards(host, subscription) == [first, second]
    assert shown(host) == {second: (True, [subscription.provider_id]), first: (False, [])}


@pytest.mark.parametrize("where", ["this phase", "next phase", "settings"])
def test_card_of_a_schedule(either_host: SubscriptionHost, where: str) -> None:
    host = either_host
    subscription = host.subscribed(host.premium)
    first = host.fake.get(subscription.provider_id)["default_payment_method"]
    cheaper = {"items": [{"price": host.basic.stripe_price_id, "quantity": 1}], "description": "Winter"}
    own = {"default_payment_method": first}
    host.fake.schedule_subscription(subscription.provider_id, [cheaper | own if where == "next phase" else cheaper])
    (schedule,) = host.fake.all("subscription_schedule")
    assert schedule["default_settings"]["default_payment_method"] == first
    if where == "this phase":
        with host.fake.state.acting():
            _scope, kept = host.fake.state.locate(schedule["id"])
            kept["phases"][0].update(own)
    host.deliver_new()
    second = add_card(host)
    host.fake.forget_requests()
    make_default(host, second)
    assert shown(host)[second] == (True, [subscription.provider_id])
    cleared = host.fake.get(schedule["id"])
    owners = [cleared["default_settings"], *cleared["phases"]]
    assert [owner["default_payment_method"] for owner in owners] == [None] * 3
    # Phases are sent anew only where one has a card, and are what they were.
    without = {"default_payment_method": None}
    assert [phase | without for phase in cleared["phases"]] == [phase | without for phase in schedule["phases"]]
    (sent,) = [one for one in host.fake.requests if one.path.endswith(schedule["id"]) and one.method == "POST"]
    assert ("phases" in sent.params) == (where != "settings")
    operation = BillingOperation.objects.get(kind="set_default_pm")
    assert sent.idempotency_key == f"{operation.idempotency_key}-{schedule['id']}"
    host.fake.advance(days=32)
    host.deliver_new()
    assert host.fake.get(subscription.provider_id)["items"]["data"][0]["price"]["id"] == host.basic.stripe_price_id
    assert charged_cards(host, subscription)[-1] == second


def test_card_of_a_change_that_was_planned_here(either_host: SubscriptionHost) -> None:
    host = either_host
    subscription = host.subscribed(host.premium)
    change_subscription(subscription=subscription, pricing=host.basic, at_period_end=True)
    second = add_card(host)
    make_default(host, second)
    host.deliver_new()
    host.fake.advance(days=32)
    host.deliver_new()
    subscription.refresh_from_db()
    assert (subscription.plan, charged_cards(host, subscription)[-1]) == (host.basic.plan, second)
    # The next one that is planned carries no card along either.
    change_subscription(subscription=subscription, pricing=host.premium, at_period_end=True)
    make_default(host, third := add_card(host, "pm_card_amex"))
    host.fake.advance(days=31)
    host.deliver_new()
    assert charged_cards(host, subscription)[-1] == third


def test_schedule_that_is_released_meanwhile(host: SubscriptionHost) -> None:
    subscription = host.subscribed(host.premium)
    change_subscription(subscription=subscription, pricing=host.basic, at_period_end=True)
    (schedule,) = host.fake.all("subscription_schedule")
    second = add_card(host)
    with (
        host.fake.hold("GET", f"/v1/subscription_schedules/{schedule['id']}", when="after") as hold,
        ThreadPoolExecutor(1) as threads,
    ):
        chosen = threads.submit(make_default_in_thread, host, second)
        hold.wait()
        host.fake.release_schedule(schedule["id"])
        hold.release()
        assert chosen.result()["is_default"] is True
    assert host.fake.get(subscription.provider_id)["default_payment_method"] is None


def test_retry_of_a_past_due_invoice_is_charged_on_the_new_default(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.fake.advance(days=32)
    host.deliver_new()
    subscription.refresh_from_db()
    assert subscription.status == "past_due"
    second = add_card(host)
    make_default(host, second)
    host.fake.advance(days=4)
    host.deliver_new()
    subscription.refresh_from_db()
    assert subscription.status == "active"
    assert charged_cards(host, subscription)[-1] == second


@pytest.mark.parametrize("order", [None, lambda events: reversed(events)], ids=["in order", "backwards"])
def test_webhooks_say_the_same(host: SubscriptionHost, order: Any) -> None:
    subscription = host.subscribed()
    second = add_card(host)
    make_default(host, second)
    host.deliver_new(order=order)
    assert shown(host)[second] == (True, [subscription.provider_id])


@pytest.mark.usefixtures("one_per_plan")
def test_several_subscriptions(host: SubscriptionHost) -> None:
    one = host.subscribed()
    first = host.fake.get(one.provider_id)["default_payment_method"]
    second = add_card(host)
    # The host has started it on this card on purpose.
    made = host.subscribe(host.premium, payment_method=second)
    host.deliver_new()
    other = Subscription.objects.get(provider_id=made["subscription_id"])
    assert shown(host) == {second: (False, [other.provider_id]), first: (False, [one.provider_id])}
    make_default(host, first)
    both = [one.provider_id, other.provider_id]
    assert shown(host) == {second: (False, []), first: (True, both)}


def test_running_subscriptions_can_be_left_alone(host: SubscriptionHost) -> None:
    one = host.subscribed()
    first = host.fake.get(one.provider_id)["default_payment_method"]
    second = add_card(host)
    set_default_payment_method(customer=host.customer, payment_method_id=second, running_subscriptions=False)
    # The next subscription would be charged on the second, and what runs is not.
    assert host.customer.default_payment_method == second
    assert shown(host) == {second: (False, []), first: (True, [one.provider_id])}


def test_default_of_the_portal_is_not_shown_as_charged(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    first = host.fake.get(subscription.provider_id)["default_payment_method"]
    host.fake.customer_changes_card(host.customer.provider_id, "pm_card_mastercard")
    host.deliver_new()
    second = host.customer.default_payment_method
    assert shown(host) == {second: (False, []), first: (True, [subscription.provider_id])}
    make_default(host, second)
    assert shown(host) == {second: (True, [subscription.provider_id]), first: (False, [])}


@pytest.mark.usefixtures("one_per_plan")
def test_sent_invoices_are_charged_on_nothing(host: SubscriptionHost) -> None:
    charged = host.subscribed()
    first = host.fake.get(charged.provider_id)["default_payment_method"]
    subscribe(owner=host.user, plan=host.premium.plan, collection_method="send_invoice", days_until_due=30)
    host.deliver_new()
    assert shown(host) == {first: (True, [charged.provider_id])}


@pytest.mark.usefixtures("one_per_plan")
def test_what_was_never_paid_is_charged_on_nothing(host: SubscriptionHost) -> None:
    mine = host.subscribed()
    before = shown(host)
    host.subscribe(host.premium)
    host.deliver_new()
    assert shown(host) == before
    assert [*before.values()] == [(True, [mine.provider_id])]


def test_customer_with_an_old_source(host: SubscriptionHost) -> None:
    host.subscribed()
    customer = {"id": host.customer.provider_id, "object": "customer", "livemode": False, "default_source": "card_1"}
    settings = {"invoice_settings": {"default_payment_method": "pm_1"}}
    for later, said, expected in ((5, customer, "card_1"), (6, {**customer, **settings}, "pm_1")):
        event = {"id": f"evt_{expected}", "object": "event", "type": "customer.updated", "livemode": False}
        host.deliver([{**event, "created": int(host.fake.state.now()) + later, "data": {"object": said}}])
        assert host.customer.default_payment_method == customer_snapshot(said).default_payment_method == expected


def test_ended_subscriptions_are_not_asked_about(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    first = host.fake.get(subscription.provider_id)["default_payment_method"]
    assert host.post("cancel", {"subscription_id": subscription.provider_id, "at_period_end": False}).status_code == 200
    second = add_card(host)
    make_default(host, second)
    assert shown(host) == {second: (True, []), first: (False, [])}
    assert host.fake.get(subscription.provider_id)["default_payment_method"] == first


def test_subscription_of_another_site_is_cleared_too(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    Subscription.objects.filter(pk=subscription.pk).update(provider_id=None, token="elsewhere")
    second = add_card(host)
    make_default(host, second)
    assert host.fake.get(host.fake.all("subscription")[0]["id"])["default_payment_method"] is None


def test_default_of_the_portal_while_another_one_is_set(host: SubscriptionHost) -> None:
    host.subscribed()
    card = add_card(host)

    def choose() -> None:
        hold.wait()
        host.fake.customer_changes_card(host.customer.provider_id, "pm_card_amex")
        host.deliver_new()
        hold.release()

    with host.fake.hold("POST", "/v1/customers/*", when="after") as hold:
        in_threads([lambda: make_default(host, card), choose], 2)
    chosen = host.fake.get(host.customer.provider_id)["invoice_settings"]["default_payment_method"]
    assert chosen != card
    assert host.customer.default_payment_method == chosen


def test_killed_between_the_customer_and_the_subscriptions(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    first = host.fake.get(subscription.provider_id)["default_payment_method"]
    second = add_card(host)
    host.fake.fault("POST", "/v1/subscriptions/*", kind="reset_before")
    with pytest.raises(ProviderUnavailable):
        set_default_payment_method(customer=host.customer, payment_method_id=second)
    assert host.fake.get(subscription.provider_id)["default_payment_method"] == first
    # Nothing was shown as charged that is not.
    host.deliver_new()
    assert shown(host) == {second: (False, []), first: (True, [subscription.provider_id])}
    host.fake.forget_requests()
    call_command("reconcile")
    assert not BillingOperation.objects.pending().exists()
    assert shown(host) == {second: (True, [subscription.provider_id]), first: (False, [])}
    sent = [
        request for request in host.fake.requests if request.path == f"/v1/subscriptions/{subscription.provider_id}"
    ]
    operation = BillingOperation.objects.get(kind="set_default_pm")
    keys = [request.idempotency_key for request in sent if request.method == "POST"]
    assert keys == [f"{operation.idempotency_key}-{subscription.provider_id}"]


def test_subscription_that_ends_meanwhile(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    second = add_card(host)
    with host.fake.hold("GET", "/v1/subscriptions", when="after") as hold, ThreadPoolExecutor(1) as threads:
        chosen = threads.submit(make_default_in_thread, host, second)
        hold.wait()
        host.fake.cancel_subscription(subscription.provider_id)
        hold.release()
        assert chosen.result()["is_default"] is True
    subscription.refresh_from_db()
    assert (host.customer.default_payment_method, subscription.status) == (second, "canceled")


def test_removed_card_that_was_charged(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    first = host.fake.get(subscription.provider_id)["default_payment_method"]
    second = add_card(host)
    set_default_payment_method(customer=host.customer, payment_method_id=second, running_subscriptions=False)
    assert host.client.delete(f"{ROOT}payment_methods/{first}/").status_code == 204
    # Before any event says so, too.
    assert shown(host) == {second: (True, [subscription.provider_id])}
    cancel_subscription(subscription=subscription)
    assert host.client.delete(f"{ROOT}payment_methods/{second}/").status_code == 204
    assert shown(host) == {}
    assert payment_methods_in_use(customer=host.customer).default == ""
    host.deliver_new()
    assert payment_methods_in_use(customer=host.customer).subscriptions == {}


def test_detached_at_stripe(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    first = host.fake.get(subscription.provider_id)["default_payment_method"]
    second = add_card(host)
    set_default_payment_method(customer=host.customer, payment_method_id=second, running_subscriptions=False)
    get_billing_gateway("stripe").detach_payment_method(first, idempotency_key="at stripe")
    host.deliver_new()
    assert shown(host) == {second: (True, [subscription.provider_id])}
