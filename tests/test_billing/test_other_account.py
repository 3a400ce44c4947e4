"""After a change from test to live keys, or to another account: nothing of before entitles anybody or is in the way."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_stripe_gateway.exceptions import UnknownAtProvider
from django_stripe_gateway.models import BillingOperation, Customer, PlanPricing, ProviderAccount, Subscription
from django_stripe_gateway.services.catalogue.publish import push_plan
from django_stripe_gateway.services.subscriptions.sync import sync_subscription
from django_stripe_gateway.subscriptions import active_plan, has_plan
from tests.fake_stripe.keys import DEFAULT_ACCOUNT
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

LIVE_KEY = "sk_live_fake"
OTHER_KEY = "sk_test_other"
OTHER_ACCOUNT = "acct_other"


@pytest.fixture(params=["live", "account"])
def moved(request: pytest.FixtureRequest, asked: None, host: SubscriptionHost, settings: Any) -> Subscription:
    """Return a paid subscription of before the site got a live key, or the key of another account."""
    PlanPricing.objects.update(account_id=DEFAULT_ACCOUNT)
    before = host.subscribed(host.premium)
    if request.param == "live":
        settings.STRIPE_GATEWAY_API_KEY = LIVE_KEY
        host.fake.add_key(LIVE_KEY)
    else:
        settings.STRIPE_GATEWAY_API_KEY = OTHER_KEY
        host.fake.add_key(OTHER_KEY, account=OTHER_ACCOUNT, name="other shop")
        # The other account is known from the first call on; nobody is asked while a page is read.
        assert host.post("portal").status_code in (200, 201)
    return before


def reconcile() -> str:
    out = StringIO()
    call_command("reconcile", older_than=0, stdout=out)
    return out.getvalue()


def test_foreign__entitles_nobody(moved: Subscription, host: SubscriptionHost) -> None:
    moved.refresh_from_db()
    assert not moved.is_valid
    assert not Subscription.objects.valid().exists()
    assert active_plan(host.user) is None
    assert not has_plan(host.user)
    (shown,) = host.get("status").json()["results"]
    assert (shown["status"], shown["valid"]) == ("active", False)


def test_foreign__cannot_be_asked_for(moved: Subscription, host: SubscriptionHost) -> None:
    for path, body in (("cancel", {}), ("resume", {}), ("change", {"plan_id": host.basic.plan_id})):
        answer = host.post(path, {"subscription_id": moved.provider_id, **body})
        assert (answer.status_code, answer.json()["code"]) == (409, "other_account"), path


def test_foreign__stands_in_nobodys_way(moved: Subscription, host: SubscriptionHost) -> None:
    for pricing in (host.basic, host.premium):
        push_plan(plan=pricing.plan)
    assert host.get("payment_methods").status_code == 200
    made = host.subscribe(host.premium)
    now = Subscription.objects.get(provider_id=made["subscription_id"])
    assert now.customer_id != moved.customer_id
    assert now.is_reachable
    assert Customer.objects.filter(owner=host.user).count() == 2
    if not now.livemode:
        host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
        host.deliver_new()
        assert active_plan(host.user) == host.premium.plan


def test_foreign__prices_are_not_on_sale_until_they_are_pushed(moved: Subscription, host: SubscriptionHost) -> None:
    answer = host.post("subscribe", {"plan_id": host.premium.plan_id})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_for_sale")
    push_plan(plan=host.premium.plan)
    old, new = PlanPricing.objects.filter(plan=host.premium.plan).order_by("pk")
    assert not old.is_sold
    assert new.is_sold
    assert new.stripe_price_id != old.stripe_price_id
    assert (new.amount, new.currency) == (old.amount, old.currency)
    # Once is enough.
    assert push_plan(plan=host.premium.plan) == []


def test_foreign__reconcile_skips_it(moved: Subscription) -> None:
    Subscription.objects.update(current_period_end=timezone.now() - timedelta(days=2))
    said = reconcile()
    assert "skipped" in said


def test_rolled_key__changes_nothing(asked: None, host: SubscriptionHost, settings: Any) -> None:
    before = host.subscribed(host.premium)
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_rolled"
    host.fake.add_key("sk_test_rolled")
    answer = host.post("cancel", {"subscription_id": before.provider_id})
    assert answer.status_code == 200, answer.content
    assert host.post("portal").status_code in (200, 201)
    before.refresh_from_db()
    assert before.is_valid
    assert Customer.objects.count() == 1
    assert {row.account_id for row in ProviderAccount.objects.all()} == {before.account_id}


@pytest.mark.usefixtures("one_per_plan")
def test_account__is_asked_once_for_each_key(asked: None, host: SubscriptionHost) -> None:
    host.subscribed(host.premium)
    host.subscribed(host.basic)
    assert [record.path for record in host.fake.requests].count("/v1/account") == 1
    (row,) = ProviderAccount.objects.all()
    assert "sk_test" not in row.key_digest
    assert row.account_id == Customer.objects.get().account_id != ""


def test_account__restricted_key_may_not_ask(asked: None, host: SubscriptionHost, settings: Any) -> None:
    host.fake.add_key("rk_test_shop", forbidden=("/v1/account",))
    settings.STRIPE_GATEWAY_API_KEY = "rk_test_shop"
    made = host.subscribed(host.premium)
    assert made.account_id == ""
    assert made.is_valid
    assert ProviderAccount.objects.get().account_id == ""
    # What is of no known account is of every one of its mode, and of no other mode.
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_fake"
    assert host.post("portal").status_code in (200, 201)
    assert Customer.objects.count() == 1
    settings.STRIPE_GATEWAY_API_KEY = LIVE_KEY
    made.refresh_from_db()
    assert not made.is_valid


def a_day_later() -> None:
    yesterday = timezone.now() - timedelta(days=1)
    Subscription.objects.update(created=yesterday)
    BillingOperation.objects.update(created=yesterday)


def test_deleted_test_data__is_lost_and_made_anew(host: SubscriptionHost) -> None:
    before = host.subscribed(host.premium)
    host.fake.delete_test_data()
    a_day_later()
    answer = host.post("cancel", {"subscription_id": before.provider_id})
    assert (answer.status_code, answer.json()["code"]) == (409, "unknown_at_provider")
    before.refresh_from_db()
    assert before.lost is not None
    assert not before.is_valid
    assert [log.event for log in before.logs.all()].count("missing") == 1
    for pricing in (host.basic, host.premium):
        push_plan(plan=pricing.plan)
    assert host.subscribe(host.premium)["status"] == "incomplete"
    assert Customer.objects.count() == 1


@pytest.mark.parametrize("first", ["portal", "subscribe"])
def test_deleted_test_data__stands_in_nobodys_way(host: SubscriptionHost, first: str) -> None:
    before = host.subscribed(host.premium)
    host.fake.delete_test_data()
    a_day_later()
    push_plan(plan=host.premium.plan)
    if first == "portal":
        # The customer is made anew, before anybody asks about the subscription.
        assert host.post("portal").status_code in (200, 201)
    made = host.subscribe(host.premium)
    assert made["subscription_id"] != before.provider_id
    before.refresh_from_db()
    assert before.lost is not None


def test_missing__one_answer_ends_nothing(host: SubscriptionHost) -> None:
    before = host.subscribed(host.premium)
    a_day_later()
    gone = host.fake.hide(before.provider_id)
    for _ in range(2):
        with pytest.raises(UnknownAtProvider):
            sync_subscription(subscription=before)
    before.refresh_from_db()
    assert before.is_valid
    assert before.missing_since is not None
    host.fake.show(gone)
    sync_subscription(subscription=before)
    before.refresh_from_db()
    assert before.missing_since is None


def test_missing__is_believed_an_hour_later(host: SubscriptionHost) -> None:
    before = host.subscribed(host.premium)
    gone = host.fake.hide(before.provider_id)
    Subscription.objects.update(current_period_end=timezone.now() - timedelta(days=2))
    assert "missing" in reconcile()
    Subscription.objects.update(missing_since=timezone.now() - timedelta(hours=1))
    reconcile()
    before.refresh_from_db()
    assert before.lost is not None
    assert not before.is_valid
    # Quiet from now on, and taken back once somebody is told otherwise.
    assert f"subscription {before.pk}" not in reconcile()
    host.fake.show(gone)
    sync_subscription(subscription=before)
    before.refresh_from_db()
    assert before.is_valid


def test_payment__of_another_mode(asked: None, host: SubscriptionHost, settings: Any) -> None:
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD"}
    made = host.client.post("/api/v1/payments/create_payment/", body, format="json").json()
    settings.STRIPE_GATEWAY_API_KEY = LIVE_KEY
    host.fake.add_key(LIVE_KEY)
    root = f"/api/v1/payments/{made['payment_id']}/"
    assert host.client.get(root).status_code == 200
    for action in ("cancel_payment", "capture_payment", "refund_payment", "confirm_intent"):
        answer = host.client.post(f"{root}{action}/", {}, format="json")
        assert (answer.status_code, answer.json()["code"]) == (409, "other_account"), action
    assert "skipped" in reconcile()


def test_payment__unknown_at_provider(host: SubscriptionHost) -> None:
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD"}
    made = host.client.post("/api/v1/payments/create_payment/", body, format="json").json()
    host.fake.delete_test_data()
    answer = host.client.post(f"/api/v1/payments/{made['payment_id']}/cancel_payment/", {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "unknown_at_provider")


def test_foreign__late_events_change_nothing(moved: Subscription, host: SubscriptionHost) -> None:
    before = Subscription.objects.get(pk=moved.pk).status
    host.fake.change_subscription(moved.provider_id, {"cancel_at_period_end": "true"})
    states = host.deliver_new()
    assert set(states) <= {"mismatched", "unmatched", "ignored"}, states
    moved.refresh_from_db()
    assert (moved.status, moved.cancel_at_period_end) == (before, False)


def test_foreign__sync_plans_says_so(moved: Subscription) -> None:
    out = StringIO()
    call_command("sync_plans", stdout=out)
    assert "Prices of another account or mode, not on sale in this one: 2; --push makes them anew." in out.getvalue()
    call_command("sync_plans", push=True, stdout=StringIO())
    out = StringIO()
    call_command("sync_plans", stdout=out)
    assert "another account" not in out.getvalue()


def test_foreign__is_back_with_its_account(moved: Subscription, host: SubscriptionHost, settings: Any) -> None:
    push_plan(plan=host.premium.plan)
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_fake"
    moved.refresh_from_db()
    assert moved.is_valid
    assert active_plan(host.user) == host.premium.plan
    assert PlanPricing.objects.on_sale().filter(plan=host.premium.plan).get() == host.premium


@pytest.mark.parametrize("livemode", [True, False])
@pytest.mark.parametrize("account_id", ["", DEFAULT_ACCOUNT, OTHER_ACCOUNT])
@pytest.mark.parametrize("variant", ["stripe", "gone"])
def test_predicate__agrees_with_its_queryset(
    host: SubscriptionHost, settings: Any, livemode: bool, account_id: str, variant: str
) -> None:
    row = host.subscribed(host.premium)
    where = {"livemode": livemode, "account_id": account_id, "variant": variant}
    for model, pk in ((Subscription, row.pk), (Customer, row.customer_id), (PlanPricing, host.premium.pk)):
        rows: Any = model._default_manager.filter(pk=pk)
        rows.update(**where)
        for configured in (DEFAULT_ACCOUNT, ""):
            settings.STRIPE_GATEWAY_ACCOUNT_ID = configured
            assert rows.of_configured_account().exists() is rows.get().is_of_configured_account
    rows = Subscription.objects.filter(pk=row.pk)
    assert rows.valid().exists() is rows.get().is_valid
    assert rows.reachable().exists() is rows.get().is_reachable
