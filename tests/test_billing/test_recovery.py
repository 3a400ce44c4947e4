"""Whatever happens between the request and the written answer: one customer, one subscription, one charge."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from django_stripe_gateway import exceptions
from django_stripe_gateway.models import BillingOperation, Customer, Subscription
from django_stripe_gateway.services.operations import engine
from django_stripe_gateway.services.subscriptions import cancel as cancelling
from django_stripe_gateway.services.subscriptions import change as changing
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.test_billing.host import SubscriptionHost
from tests.test_services.test_recovery import fork

pytestmark = pytest.mark.django_db(transaction=True)

#: case, what goes wrong, how it is mended. After a 500 of Stripe's, which it repeats under the same key, another key
#: makes a second customer: idle, and never billed.
FAULTS = [
    ("customer", "reset_after", "repeat"),
    ("customer", "reset_after", "reconcile"),
    ("subscribe", "error_500_after", "repeat"),
    ("subscribe", "reset_before", "repeat"),
    ("subscribe", "reset_after", "reconcile"),
    ("change", "error_500_after", "repeat"),
    ("change", "reset_after", "reconcile"),
    ("end", "error_500_after", "repeat"),
    ("end", "reset_after", "reconcile"),
]
Act = Callable[[SubscriptionHost], Any]


def ask_for_customer(host: SubscriptionHost) -> Any:
    return ensure_customer(owner=host.user)


def ask_for_subscription(host: SubscriptionHost) -> Any:
    return subscribe(owner=host.user, plan=host.basic.plan)


def ask_for_change(host: SubscriptionHost) -> Any:
    return changing.change_subscription(
        subscription=Subscription.objects.get(), pricing=host.premium, proration="always_invoice"
    )


def ask_for_end(host: SubscriptionHost) -> Any:
    return cancelling.cancel_subscription(subscription=Subscription.objects.get(), at_period_end=False)


def nothing(host: SubscriptionHost) -> None:
    """Begin without a customer."""


def subscribed(host: SubscriptionHost) -> None:
    """Begin with a subscription that is paid for and a card."""
    host.subscribed()
    host.change_card(Subscription.objects.get(), "pm_card_visa")


#: name → (how to begin, what is asked, Stripe's method and path, the event that Stripe sends about it)
CASES: dict[str, tuple[Act, Act, tuple[str, str], str]] = {
    "customer": (nothing, ask_for_customer, ("POST", "/v1/customers"), "customer.created"),
    "subscribe": (nothing, ask_for_subscription, ("POST", "/v1/subscriptions"), "customer.subscription.created"),
    "change": (subscribed, ask_for_change, ("POST", "/v1/subscriptions/*"), "invoice.created"),
    "end": (subscribed, ask_for_end, ("DELETE", "/v1/subscriptions/*"), "customer.subscription.deleted"),
}
#: How many of those events there were before.
BEFORE = {"change": 1}


def run_out_leases() -> None:
    """Let the time pass in which a dead process might still have been waiting for an answer."""
    BillingOperation.objects.pending().update(leased_until=timezone.now() - timedelta(seconds=1))


def is_done_once(host: SubscriptionHost, case: str) -> None:
    """Assert that Stripe has done it once and that we say the same."""
    assert len(host.fake.events(CASES[case][3])) == BEFORE.get(case, 0) + 1
    assert not BillingOperation.objects.pending().exists()
    assert len(host.fake.all("customer")) == Customer.objects.count() == 1
    assert len(host.fake.all("subscription")) == Subscription.objects.count() == (case != "customer")
    if case == "customer":
        assert host.customer.provider_id == host.fake.all("customer")[0]["id"]
        return
    subscription, at_stripe = Subscription.objects.get(), host.fake.all("subscription")[0]
    assert (subscription.provider_id, subscription.status) == (at_stripe["id"], at_stripe["status"])
    assert subscription.price_id == at_stripe["items"]["data"][0]["price"]["id"]
    paid = [intent for intent in host.fake.all("payment_intent") if intent["status"] == "succeeded"]
    assert len(paid) == {"subscribe": 0, "change": 2, "end": 1}[case]


def try_again(host: SubscriptionHost, case: str, how: str) -> None:
    """Ask again, or let the clean-up do it."""
    if how == "reconcile":
        call_command("reconcile")
        return
    CASES[case][1](host)


@pytest.mark.parametrize(("case", "fault", "how"), FAULTS)
def test_fault(host: SubscriptionHost, case: str, fault: str, how: str) -> None:
    begin, ask, (method, path), _event = CASES[case]
    begin(host)
    host.fake.fault(method, path, kind=fault)  # type: ignore[arg-type]
    with pytest.raises(exceptions.ProviderUnavailable):
        ask(host)
    assert BillingOperation.objects.pending().count() == 1
    try_again(host, case, how)
    is_done_once(host, case)


@pytest.mark.parametrize("case", ["customer", "subscribe", "change"])
def test_timeout(host: SubscriptionHost, settings: Any, case: str) -> None:
    begin, ask, (method, path), _event = CASES[case]
    begin(host)
    settings.STRIPE_GATEWAY_TIMEOUT = 0.3
    host.fake.fault(method, path, kind="hang", seconds=2, when="after")
    with pytest.raises(exceptions.ProviderTimeout):
        ask(host)
    settings.STRIPE_GATEWAY_TIMEOUT = 20
    ask(host)
    is_done_once(host, case)


@pytest.mark.parametrize("case", [name for name in CASES if name != "customer"])
def test_killed_before_the_answer_was_written(
    host: SubscriptionHost, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, ask, _request, _event = CASES[case]
    begin(host)
    ensure_customer(owner=host.user)

    class Killed(BaseException):
        pass

    def die(*args: Any, **kwargs: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(engine, "settle", die)
        with pytest.raises(Killed):
            ask(host)
    with pytest.raises(exceptions.OperationInProgress):
        ask(host)
    # Stripe's events do not wait for us, and Stripe does not remember keys for ever.
    host.deliver_new()
    run_out_leases()
    host.fake.forget_idempotency_keys()
    call_command("reconcile")
    is_done_once(host, case)


@pytest.mark.parametrize(("case", "when"), [*((case, "after") for case in CASES), ("subscribe", "before")])
def test_sigkill_in_the_middle_of_the_call(host: SubscriptionHost, case: str, when: str) -> None:
    begin, ask, (method, path), _event = CASES[case]
    begin(host)
    connection.close()
    with host.fake.hold(method, path, when=when) as hold:  # type: ignore[arg-type]
        child = fork(lambda: ask(host))
        hold.wait()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        hold.release()
    with pytest.raises(exceptions.OperationInProgress):
        ask(host)
    run_out_leases()
    ask(host)
    is_done_once(host, case)


def test_pending_operation_of_another_kind_comes_first(host: SubscriptionHost) -> None:
    subscribed(host)
    host.fake.fault("POST", "/v1/subscriptions/*", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        ask_for_change(host)
    assert Subscription.objects.get().pricing == host.basic
    body = {"subscription_id": Subscription.objects.get().provider_id}
    answer = host.post("cancel", body)
    assert (answer.status_code, answer.json()["plan"]["slug"]) == (200, "premium")
    assert answer.json()["cancel_at_period_end"] is True
    assert list(BillingOperation.objects.values_list("kind", "state").order_by("-pk")[:2]) == [
        ("cancel", "succeeded"),
        ("change", "succeeded"),
    ]


def test_key__repeated_after_a_fault(host: SubscriptionHost) -> None:
    body, headers = {"plan_id": host.basic.plan_id}, {"Idempotency-Key": "k1"}
    host.fake.fault("POST", "/v1/subscriptions", kind="reset_after")
    first = host.post("subscribe", body, headers=headers)
    assert (first.status_code, first.json()["code"]) == (502, "provider_unavailable")
    again, third = (host.post("subscribe", body, headers=headers) for _try in range(2))
    assert (again.status_code, third.status_code) == (201, 201)
    assert third.json() == again.json()
    assert again.json()["client_secret"]
    assert len(host.fake.all("subscription")) == 1


def test_key__subscription_was_paid_meanwhile(host: SubscriptionHost) -> None:
    body, headers = {"plan_id": host.basic.plan_id}, {"Idempotency-Key": "k1"}
    first = host.post("subscribe", body, headers=headers).json()
    host.fake.customer_pays(first["subscription_id"], "pm_card_visa")
    host.deliver_new()
    again = host.post("subscribe", body, headers=headers)
    assert (again.status_code, again.json()["subscription_id"]) == (201, first["subscription_id"])
    assert len(host.fake.all("subscription")) == 1
