"""A page of Stripe's on which a customer adds a payment method, which can become the default one."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.models import BillingOperation
from django_stripe_gateway.services.subscriptions.setup_checkouts import open_setup_checkout
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


def open_page(host: SubscriptionHost, headers: Any = None, **body: Any) -> Any:
    return host.post("payment_methods", {"mode": "checkout", **body}, headers=headers or {})


def the_page(host: SubscriptionHost) -> dict[str, Any]:
    return dict(host.fake.all("checkout.session")[-1])


def completed(host: SubscriptionHost) -> dict[str, Any]:
    """Let the customer add a card on the page, and return the event of it alone."""
    host.fake.complete_checkout(the_page(host)["id"], "pm_card_mastercard")
    return next(event for event in host.new_events() if event["type"] == "checkout.session.completed")


def methods(host: SubscriptionHost) -> list[tuple[str, bool]]:
    return [(one["brand"], one["is_default"]) for one in host.get("payment_methods").json()["results"]]


def test_page(either_host: SubscriptionHost, settings: Any) -> None:
    host = either_host
    settings.STRIPE_GATEWAY_PORTAL_RETURN_URL = "https://shop.example/account/"
    made = open_page(host)
    assert made.status_code == 201, made.content
    page = the_page(host)
    assert made.json() == {"gateway_url": page["url"]}
    assert (page["mode"], page["customer"]) == ("setup", host.customer.provider_id)
    assert (page["success_url"], page["cancel_url"]) == ("https://shop.example/account/",) * 2
    # Nothing of the address is kept.
    assert page["url"] not in str(list(BillingOperation.objects.values()))
    host.deliver_new()
    assert host.deliver([completed(host)]) == ["processed"]
    assert methods(host) == [("mastercard", False)]


def test_what_was_added_becomes_the_default(host: SubscriptionHost) -> None:
    subscription = host.subscribed()
    assert open_page(host, set_default=True).status_code == 201
    host.deliver_new()
    event = completed(host)
    assert host.deliver([event]) == ["processed"]
    assert methods(host) == [("mastercard", True), ("visa", False)]
    assert host.fake.get(subscription.provider_id)["default_payment_method"] is None
    # A delivery that comes again, or is replayed, takes back nothing that was chosen since.
    visa = host.get("payment_methods").json()["results"][1]["payment_method_id"]
    assert host.post(f"payment_methods/{visa}/default").status_code == 200
    assert host.deliver([event | {"id": "evt_again"}]) == ["processed"]
    assert methods(host) == [("mastercard", False), ("visa", True)]


def test_event_before_the_answer(host: SubscriptionHost) -> None:
    open_page(host, set_default=True)
    BillingOperation.objects.filter(kind="setup_checkout").update(object_id="")
    assert host.deliver([completed(host)]) == ["processed"]
    assert methods(host) == [("mastercard", True)]


def test_provider_is_silent_when_the_event_comes(host: SubscriptionHost) -> None:
    open_page(host, set_default=True)
    event = completed(host)
    host.fake.fault("POST", "/v1/customers/*", kind="reset_before")
    assert host.deliver([event]) == ["processed"]
    assert methods(host) == [("mastercard", False)]
    assert BillingOperation.objects.pending().count() == 1
    # The next request about the customer carries it on; so does reconcile.
    assert open_page(host).status_code == 201
    assert methods(host) == [("mastercard", True)]


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({"metadata": {}}, "ignored"),
        ({"metadata": {"operation": "x"}}, "ignored"),
        ({"metadata": {"operation": "9" * 30}}, "ignored"),
        ({"id": "cs_test_another"}, "ignored"),
        ({"customer": "cus_another"}, "mismatched"),
        ({"setup_intent": None}, "mismatched"),
        ({"livemode": True}, "mismatched"),
    ],
)
def test_page_of_somebody_else(host: SubscriptionHost, change: dict[str, Any], state: str) -> None:
    open_page(host, set_default=True)
    event = completed(host)
    forged = event | {"data": {"object": event["data"]["object"] | change}}
    assert host.deliver([forged]) == [state]
    assert methods(host) == [("mastercard", False)]


def test_key(host: SubscriptionHost) -> None:
    first, again = (open_page(host, {"Idempotency-Key": "k1"}) for _again in range(2))
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(host.fake.all("checkout.session")) == 1


def test_currency_is_the_customers(host: SubscriptionHost) -> None:
    pricing = host.sell("basic", host.basic.amount, currency="EUR", interval="year")
    host.subscribe(pricing, pricing_id=pricing.pk)
    open_setup_checkout(customer=host.customer, return_url="https://shop.example/")
    sent = [request.params for request in host.fake.requests if request.path == "/v1/checkout/sessions"]
    assert [params["currency"] for params in sent if params["mode"] == "setup"] == ["eur"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "portal"}, "mode"),
        ({"mode": "checkout", "return_url": "https://evil.example/"}, "return_url"),
        ({"mode": "checkout", "set_default": "perhaps"}, "set_default"),
        ({"set_default": True}, "set_default"),
        ({"mode": "direct", "return_url": "https://testserver/account/"}, "return_url"),
    ],
)
def test_body(host: SubscriptionHost, body: dict[str, Any], field: str) -> None:
    host.fake.forget_requests()
    answer = host.post("payment_methods", body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)
    assert host.fake.requests == []
