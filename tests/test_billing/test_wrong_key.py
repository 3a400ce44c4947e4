"""A key of another account that may not say whose it is: the provider says through it that it knows nobody."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_stripe_gateway.exceptions import UnknownAtProvider, WrongState
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.models.provider_accounts import known_accounts
from django_stripe_gateway.subscriptions import give_up_subscription, has_plan, sync_subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_doctor import doctor
from tests.test_billing.test_other_account import OTHER_ACCOUNT, a_day_later, reconcile

pytestmark = pytest.mark.django_db(transaction=True)

OWN_KEY = "sk_test_fake"
SILENT_KEY = "rk_test_other"


@pytest.fixture
def wrong(asked: None, host: SubscriptionHost, settings: Any) -> Subscription:
    """Return a paid subscription whose period is over, and whose account nobody asks any more."""
    before = host.subscribed(host.premium)
    assert before.account_id
    host.fake.add_key(SILENT_KEY, account=OTHER_ACCOUNT, name="other shop", forbidden=("/v1/account",))
    settings.STRIPE_GATEWAY_API_KEY = SILENT_KEY
    a_day_later()
    Subscription.objects.update(current_period_end=timezone.now() - timedelta(hours=2))
    return before


def lost(subscription: Subscription, ago: timedelta = timedelta(hours=1)) -> Subscription:
    """Return a subscription that has been lost for a while, as a wrong key may have left it."""
    since = timezone.now() - ago
    values = {"lost": since, "missing_since": since, "fetched_at": since - timedelta(minutes=1)}
    Subscription.objects.filter(pk=subscription.pk).update(**values)
    subscription.refresh_from_db()
    assert not subscription.is_valid
    return subscription


def test_wrong_key__nothing_is_lost(wrong: Subscription, host: SubscriptionHost, settings: Any) -> None:
    for _ in range(2):
        assert "missing" in reconcile()
        Subscription.objects.update(missing_since=timezone.now() - timedelta(hours=2))
    wrong.refresh_from_db()
    assert (wrong.lost, wrong.is_valid) == (None, True)
    with pytest.raises(WrongState) as refused:
        give_up_subscription(subscription=wrong, reason="Stripe said so")
    assert refused.value.code == "not_certain"
    assert "STRIPE_GATEWAY_ACCOUNT_ID" in str(refused.value.detail)
    code, lines = doctor()
    (line,) = (line for line in lines if "does not know them" in line)
    assert code == 1
    assert "nobody knows whose the key is" in line
    settings.STRIPE_GATEWAY_API_KEY = OWN_KEY
    reconcile()
    wrong.refresh_from_db()
    assert (wrong.missing_since, wrong.is_valid) == (None, True)


@pytest.mark.parametrize("path", ["portal", "payment_methods"])
def test_wrong_key__no_customer_is_made_anew(wrong: Subscription, host: SubscriptionHost, path: str) -> None:
    before = Customer.objects.values("provider_id", "deleted", "account_id").get()
    answer = host.post("portal") if path == "portal" else host.get("payment_methods")
    assert answer.status_code >= 400
    assert Customer.objects.values("provider_id", "deleted", "account_id").get() == before
    wrong.refresh_from_db()
    assert wrong.lost is None


def test_deleted_customer__is_noticed_by_a_key_of_no_known_account(
    asked: None, host: SubscriptionHost, settings: Any
) -> None:
    """Stripe tells of a customer that it has deleted: that is no stranger's answer."""
    before = host.subscribed(host.premium)
    host.fake.add_key("rk_test_own", forbidden=("/v1/account",))
    settings.STRIPE_GATEWAY_API_KEY = "rk_test_own"
    host.v1.customers.delete(before.customer.provider_id)
    assert host.post("portal").status_code in (200, 201)


@pytest.mark.parametrize("way", ["reconcile", "import_account", "event"])
def test_lost__comes_back(host: SubscriptionHost, way: str) -> None:
    before = lost(host.subscribed(host.premium))
    if way == "reconcile":
        assert "known at the provider again" in reconcile()
    elif way == "import_account":
        call_command("import_account", dry_run=True, stdout=StringIO())
        assert not has_plan(host.user)
        call_command("import_account", stdout=StringIO())
    else:
        host.fake.change_subscription(before.provider_id, {"cancel_at_period_end": "true"})
        assert "processed" in host.deliver_new()
    before.refresh_from_db()
    assert (before.lost, before.missing_since, before.is_valid) == (None, None, True)
    assert has_plan(host.user)
    assert before.logs.filter(event="missing", message="known at the provider again").count() == 1


@pytest.mark.parametrize("ago", [timedelta(hours=1), timedelta(days=60)])
def test_lost__is_asked_about_quietly_and_seldom(host: SubscriptionHost, ago: timedelta) -> None:
    before = host.subscribed(host.premium)
    # Whatever else would have one ask.
    Subscription.objects.update(current_period_end=timezone.now() - timedelta(days=90))
    host.fake.hide(before.provider_id)
    lost(before, ago)
    begun = len(host.fake.requests)
    for _ in range(3):
        reconcile()
    paths = [record.path for record in host.fake.requests[begun:]]
    assert paths.count(f"/v1/subscriptions/{before.provider_id}") == 1
    Subscription.objects.update(fetched_at=timezone.now() - timedelta(days=2), provider_time=None)
    reconcile()
    paths = [record.path for record in host.fake.requests[begun:]]
    assert paths.count(f"/v1/subscriptions/{before.provider_id}") == (2 if ago < timedelta(days=30) else 1)


def test_lost__of_another_account_is_left_alone(host: SubscriptionHost) -> None:
    before = lost(host.subscribed(host.premium))
    Subscription.objects.update(account_id=OTHER_ACCOUNT)
    begun = len(host.fake.requests)
    reconcile()
    assert before.provider_id not in " ".join(record.path for record in host.fake.requests[begun:])


def test_lost__doctor_says_to_ask_first(host: SubscriptionHost) -> None:
    lost(host.subscribed(host.premium))
    (line,) = (line for line in doctor()[1] if "entitle nobody" in line)
    assert line.index("Ask the provider") < line.index("Give up on")
    assert "whose the key is" not in line


def test_missing__of_a_known_key_is_still_believed(host: SubscriptionHost) -> None:
    before = host.subscribed(host.premium)
    a_day_later()
    host.fake.delete_test_data()
    with pytest.raises(UnknownAtProvider):
        sync_subscription(subscription=before)
    before.refresh_from_db()
    assert before.lost is not None
    known_accounts.forget()
