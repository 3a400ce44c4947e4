"""A row stands for the subscription that it names by its id; metadata can be copied, and says nothing by itself."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from django_stripe_gateway.gateways.billing_values import (
    CustomerRequest,
    SubscriptionCheckoutRequest,
    SubscriptionRequest,
)
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import BillingOperation, Customer, Invoice, Subscription
from django_stripe_gateway.services.subscriptions import subscribe as subscribing
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.reconcile import (
    reconcile_billing_operations,
    reconcile_subscriptions,
)
from django_stripe_gateway.subscriptions import has_plan
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import Event

pytestmark = pytest.mark.django_db(transaction=True)


def copied(host: SubscriptionHost, original: str, customer_id: str = "", **metadata: str) -> str:
    """Copy a subscription in the Dashboard, for the same customer unless said, and let it be paid; return its id."""
    found = host.fake.get(original)
    request = SubscriptionRequest(
        customer_id or found["customer"], host.premium.stripe_price_id or "", metadata={**found["metadata"], **metadata}
    )
    made = get_billing_gateway("stripe").create_subscription(request, idempotency_key=f"copy-{original}-{customer_id}")
    host.fake.customer_pays(made.subscription_id, "pm_card_visa")
    return made.subscription_id


def of(events: list[Event], subscription_id: str) -> list[Event]:
    """Return the events of one subscription and its invoices."""

    def named(obj: dict[str, Any]) -> Any:
        parent = (obj.get("parent") or {}).get("subscription_details") or {}
        return obj["id"], obj.get("subscription"), parent.get("subscription")

    return [event for event in events if subscription_id in named(event["data"]["object"])]


def assert_both(host: SubscriptionHost, original: str, copy_id: str) -> None:
    """Assert that both are known as what they are, with their own invoices, and that the owner has both plans."""
    rows = {row.provider_id: row for row in Subscription.objects.all()}
    assert set(rows) == {original, copy_id}
    assert {row.status for row in rows.values()} == {"active"}
    assert (rows[original].pricing, rows[copy_id].pricing) == (host.basic, host.premium)
    assert rows[original].token == host.fake.get(original)["metadata"]["token"] != rows[copy_id].token
    for row in rows.values():
        (item,) = row.items.all()
        assert (item.provider_id, item.pricing) == (row.item_id, row.pricing)
        assert item.provider_id == host.fake.get(row.provider_id)["items"]["data"][0]["id"]
        assert [invoice.provider_id for invoice in row.invoices.all()] == [
            host.fake.get(row.provider_id)["latest_invoice"]
        ]
        assert row.first_paid_at is not None
    assert has_plan(host.user, "basic")
    assert has_plan(host.user, "premium")


def test_copied_token(either_host: SubscriptionHost) -> None:
    original = either_host.subscribed()
    copy_id = copied(either_host, original.provider_id)
    assert "mismatched" not in either_host.deliver_new()
    assert_both(either_host, original.provider_id, copy_id)
    assert Subscription.objects.get(pk=original.pk).provider_id == original.provider_id


def test_copied_token__of_nobody(either_host: SubscriptionHost) -> None:
    original = either_host.subscribed()
    copy_id = copied(either_host, original.provider_id, token="of another system")
    assert "mismatched" not in either_host.deliver_new()
    assert_both(either_host, original.provider_id, copy_id)


def test_copied_token__for_another_customer(either_host: SubscriptionHost) -> None:
    host, eve = either_host, get_user_model().objects.create_user("eve")
    hers = ensure_customer(owner=eve)
    original = host.subscribed()
    copy_id = copied(host, original.provider_id, hers.provider_id or "")
    host.deliver_new()
    assert [row.provider_id for row in Subscription.objects.for_owner(eve)] == [copy_id]
    assert [row.provider_id for row in Subscription.objects.for_owner(host.user)] == [original.provider_id]
    assert has_plan(eve, "premium")
    assert not has_plan(host.user, "premium")


@pytest.fixture
def unanswered(either_host: SubscriptionHost, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the id of a subscription that was made for a row which does not know it yet, and which was paid."""
    gateway = type(get_billing_gateway("stripe"))
    create = gateway.create_subscription

    def killed(*args: Any, **kwargs: Any) -> Any:
        create(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(gateway, "create_subscription", killed)
        with pytest.raises(KeyboardInterrupt):
            subscribing.subscribe(owner=either_host.user, plan=either_host.basic.plan)
    (original,) = either_host.fake.all("subscription")
    either_host.fake.customer_pays(original["id"], "pm_card_visa")
    BillingOperation.objects.update(leased_until="2020-01-01T00:00Z")
    return str(original["id"])


@pytest.mark.parametrize("order", ["original first", "copy first", "copy alone", "answer first"])
def test_copied_token__before_the_answer(either_host: SubscriptionHost, unanswered: str, order: str) -> None:
    host, original = either_host, unanswered
    row = Subscription.objects.get()
    assert (row.provider_id, row.status) == (None, "starting")
    copy_id = copied(host, original)
    events = host.new_events()
    ours, theirs = of(events, original), of(events, copy_id)
    before = {"original first": ours + theirs, "copy first": theirs + ours, "copy alone": theirs, "answer first": []}
    assert set(host.deliver(before[order])) <= {"processed", "unmatched"}
    assert [found.outcome for found in reconcile_billing_operations()] == ["settled"]
    assert Subscription.objects.get(pk=row.pk).provider_id == original
    host.deliver(ours + theirs)
    assert_both(host, original, copy_id)


@pytest.mark.parametrize("copy_first", [True, False])
def test_copied_token__of_a_page(either_host: SubscriptionHost, copy_first: bool) -> None:
    host = either_host
    host.subscribe(mode="checkout")
    (page,) = host.fake.all("checkout.session")
    host.fake.complete_checkout(page["id"])
    (made,) = host.fake.all("subscription")
    copy_id = copied(host, made["id"])
    events = host.new_events()
    ours, theirs = of(events, made["id"]), of(events, copy_id)
    rest = [event for event in events if event not in ours + theirs]
    assert "mismatched" not in host.deliver([*theirs, *ours, *rest] if copy_first else [*ours, *rest, *theirs])
    assert_both(host, made["id"], copy_id)
    assert Subscription.objects.exclude(checkout_id="").get().provider_id == made["id"]
    assert list(reconcile_subscriptions(older_than=timedelta(hours=1))) == []


def test_copied_token__to_a_later_page(either_host: SubscriptionHost) -> None:
    host = either_host
    host.subscribe(mode="checkout")
    gateway = get_billing_gateway("stripe")
    (page,) = host.fake.all("checkout.session")
    request = SubscriptionRequest(page["customer"], host.premium.stripe_price_id or "", metadata=page["metadata"])
    pages = SubscriptionCheckoutRequest(request, "https://shop.example.com/", "https://shop.example.com/")
    gateway.create_subscription_checkout(pages, idempotency_key="copy")
    found = gateway.find_subscription_checkout(page["customer"], page["metadata"]["token"])
    assert found is not None
    assert found.session_id == page["id"]


def test_token_of_what_never_was(either_host: SubscriptionHost) -> None:
    host = either_host
    first = host.subscribed()
    ended = Subscription.objects.create(customer=first.customer, variant="stripe", status="incomplete_expired")
    made = copied(host, first.provider_id, token=ended.token)
    host.deliver_new()
    ended.refresh_from_db()
    assert ended.provider_id is None
    assert Subscription.objects.get(provider_id=made).is_valid


def test_invoice__of_another_customer(either_host: SubscriptionHost) -> None:
    host = either_host
    hers = ensure_customer(owner=get_user_model().objects.create_user("eve"))
    host.subscribed()
    (event,) = [event for event in host.fake.events() if event["type"] == "invoice.created"]
    forged = copy.deepcopy(event) | {"id": "evt_forged"}
    forged["data"]["object"] |= {"id": "in_forged", "customer": hers.provider_id}
    assert host.deliver([forged]) == ["mismatched"]
    assert not Invoice.objects.filter(provider_id="in_forged").exists()


def test_customer__copied_metadata(either_host: SubscriptionHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host, gateway = either_host, get_billing_gateway("stripe")
    create = type(gateway).create_customer

    def killed(*args: Any, **kwargs: Any) -> Any:
        create(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(gateway), "create_customer", killed)
        with pytest.raises(KeyboardInterrupt):
            ensure_customer(owner=host.user)
    (original,) = host.fake.all("customer")
    request = CustomerRequest("eve@example.com", "Eve", metadata=original["metadata"])
    stray = gateway.create_customer(request, idempotency_key="copy")
    eve = Customer.objects.create(
        owner=get_user_model().objects.create_user("eve"), variant="stripe", provider_id=stray.customer_id
    )
    host.deliver_new()
    BillingOperation.objects.update(leased_until="2020-01-01T00:00Z")
    assert [found.outcome for found in reconcile_billing_operations()] == ["settled"]
    assert host.customer.provider_id == original["id"]
    # Also when only the copy is left.
    Customer.objects.filter(owner=host.user).update(provider_id=None)
    host.fake.delete_customer(original["id"])
    BillingOperation.objects.update(state="pending")
    assert [found.outcome for found in reconcile_billing_operations()] == ["settled"]
    eve.refresh_from_db()
    assert eve.provider_id == stray.customer_id != host.customer.provider_id
