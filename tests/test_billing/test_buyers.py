"""Buyers on pages of Stripe's own, payment links and pricing tables: known by a signed reference alone."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import Customer, Invoice, Subscription
from django_stripe_gateway.subscriptions import active_plan, client_reference, ensure_customer
from tests.factories import make_event
from tests.test_api.calls import assert_error, create
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import deliver, row_of

pytestmark = pytest.mark.django_db(transaction=True)


def bought(host: SubscriptionHost, reference: Any, **fields: Any) -> dict[str, Any]:
    """Let somebody buy on a payment link, and return the event of its page."""
    customer = host.v1.customers.create({"email": "somebody@example.com"})
    method = host.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    made = host.v1.subscriptions.create(
        {
            "customer": customer.id,
            "items": [{"price": host.basic.stripe_price_id}],
            "default_payment_method": method.id,
        }
    )
    page = {"id": f"cs_test_{made.id}", "object": "checkout.session", "mode": "subscription", "status": "complete"}
    page |= {"payment_status": "paid", "payment_link": "plink_1", "metadata": {}, "livemode": False}
    page |= {"customer": customer.id, "subscription": made.id, "client_reference_id": reference}
    return make_event("checkout.session.completed", page | fields)


@pytest.mark.parametrize("order", ["page first", "page last"])
def test_known_by_the_reference(host: SubscriptionHost, order: str) -> None:
    event = bought(host, client_reference(owner=host.user))
    if order == "page last":
        assert "unmatched" in host.deliver_new()
    assert deliver(event).json()["state"] == "processed"
    host.deliver_new()
    assert active_plan(host.user) == host.basic.plan
    assert host.customer.former_ids == [event["data"]["object"]["customer"]]
    assert Invoice.objects.for_owner(host.user).paid().count() == 1
    assert deliver(event | {"id": "evt_again"}).json()["state"] == "processed"
    assert Subscription.objects.count() == 1


def test_owner_who_has_a_customer(host: SubscriptionHost) -> None:
    """What they buy as another customer is theirs all the same, with its invoices."""
    host.subscribed(host.premium)
    own = host.customer.provider_id
    event = bought(host, client_reference(owner=host.user))
    assert deliver(event).json()["state"] == "processed"
    news = [one for one in host.new_events() if not one["type"].startswith("customer.") or "subscr" in one["type"]]
    assert "unmatched" not in host.deliver(news)
    assert host.customer.provider_id == own
    assert Subscription.objects.for_owner(host.user).count() == 2
    assert Invoice.objects.for_owner(host.user).count() == 2


@pytest.mark.parametrize("has_customer", [True, False])
def test_payer_is_not_the_owner(host: SubscriptionHost, settings: Any, has_customer: bool) -> None:
    """Whoever hands their reference on is given a subscription, never the card that pays for it."""
    settings.PAYMENT_VARIANTS = {"stripe": ("django_stripe_gateway.providers.StripeProvider", {"flow": "intent"})}
    if has_customer:
        ensure_customer(owner=host.user, variant="stripe")
    own = Customer.objects.values_list("provider_id", flat=True).first()
    event = bought(host, client_reference(owner=host.user))
    assert deliver(event).json()["state"] == "processed"
    host.deliver_new()
    assert host.customer.provider_id == own
    assert host.get("payment_methods").json()["results"] == []
    payer = event["data"]["object"]["customer"]
    (card,) = host.v1.payment_methods.list({"customer": payer}).data
    refused = create(host.client, amount="99.00", payment_method=card.id)
    assert_error(refused, 400, "unknown_payment_method")
    host.post("portal", {})
    assert host.customer.provider_id != payer


@pytest.mark.parametrize("kind", ["none", "a key", "forged", "another site's", "too old", "not ours", "of nobody"])
def test_reference_that_is_not_good(host: SubscriptionHost, settings: Any, kind: str) -> None:
    good = client_reference(owner=host.user)
    references = {"none": None, "a key": str(host.user.pk), "not ours": "order-77"}
    references["forged"] = good[:-1] + ("A" if good[-1] != "A" else "B")
    references["too old"] = client_reference(owner=host.user, valid_for=timedelta(days=-400))
    references["of nobody"] = client_reference(owner=type(host.user)(pk=987654))
    with_other_key, settings.SECRET_KEY = settings.SECRET_KEY, "another site"
    references["another site's"] = client_reference(owner=host.user)
    settings.SECRET_KEY = with_other_key
    event = bought(host, references[kind])
    assert deliver(event).json()["state"] == "ignored"
    assert row_of(event).reason
    assert not Customer.objects.exists()
    assert not Subscription.objects.exists()


def test_secret_key_that_has_been_replaced(host: SubscriptionHost, settings: Any) -> None:
    reference = client_reference(owner=host.user)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "the new one"
    assert deliver(bought(host, reference)).json()["state"] == "processed"


def test_page_of_another_mode(host: SubscriptionHost) -> None:
    event = bought(host, client_reference(owner=host.user), livemode=True)
    assert deliver(event).json()["state"] == "mismatched"
    assert not Customer.objects.exists()


def test_page_that_lies_about_the_customer(host: SubscriptionHost) -> None:
    event = bought(host, client_reference(owner=host.user), customer="cus_of_another")
    assert deliver(event).json()["state"] == "mismatched"
    assert not Customer.objects.exists()


def test_one_off_payment_of_a_payment_link__is_nobodys(host: SubscriptionHost) -> None:
    page = {"id": "cs_1", "object": "checkout.session", "mode": "payment", "payment_status": "paid"}
    page |= {"payment_link": "plink_1", "client_reference_id": client_reference(owner=host.user)}
    assert deliver(make_event("checkout.session.completed", page)).json()["state"] == "ignored"


def test_reference(host: SubscriptionHost) -> None:
    """As Stripe's address takes it."""
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,200}", client_reference(owner=host.user))
    with pytest.raises(InvalidInput):
        client_reference(owner=type(host.user)())
    with pytest.raises(InvalidInput):
        client_reference(owner=type(host.user)(pk="x" * 200))
