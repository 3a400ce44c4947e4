"""The settings name another account than the key's: nothing is sold, lost or given up, and nobody is shut out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management.base import CommandError
from django.utils import timezone

from django_stripe_gateway.exceptions import AccountContradicted
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.subscriptions import give_up_subscription, has_plan, sync_subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_other_account import OTHER_ACCOUNT, OTHER_KEY, reconcile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(params=["typo", "key"])
def contradicted(request: pytest.FixtureRequest, host: SubscriptionHost, settings: Any) -> Subscription:
    """Return a paid subscription of before the account's id in the settings was another one than the key's."""
    before = host.subscribed(host.premium)
    if request.param == "typo":
        settings.STRIPE_GATEWAY_ACCOUNT_ID = "acct_typo"
    else:
        settings.STRIPE_GATEWAY_API_KEY = OTHER_KEY
        host.fake.add_key(OTHER_KEY, account=OTHER_ACCOUNT, name="other shop")
    return before


def test_contradicted__nothing_is_sold_and_nobody_is_shut_out(
    contradicted: Subscription, host: SubscriptionHost
) -> None:
    before = len(host.fake.all("subscription"))
    answer = host.post("subscribe", {"plan_id": host.premium.plan_id})
    assert (answer.status_code, answer.json()["code"]) == (500, "account_contradicted")
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD"}
    answer = host.client.post("/api/v1/payments/create_payment/", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (500, "account_contradicted")
    assert len(host.fake.all("subscription")) == before
    assert has_plan(host.user, host.premium.plan.slug)
    assert Subscription.objects.count() == Customer.objects.count() == 1


def test_contradicted__is_noticed(contradicted: Subscription) -> None:
    with pytest.raises(CommandError, match="belongs to the account"):
        reconcile()
    found = [message.id for message in run_checks(databases=["default"])]
    assert "django_stripe_gateway.E023" in found


def test_contradicted__nothing_is_lost_or_given_up(contradicted: Subscription, host: SubscriptionHost) -> None:
    long_ago = timezone.now() - timedelta(days=40)
    Subscription.objects.update(created=long_ago, current_period_end=long_ago, missing_since=long_ago)
    with pytest.raises(CommandError):
        reconcile()
    with pytest.raises(AccountContradicted):
        sync_subscription(subscription=contradicted)
    with pytest.raises(AccountContradicted):
        give_up_subscription(subscription=contradicted, reason="doctor said so")
    contradicted.refresh_from_db()
    assert (contradicted.lost, contradicted.status) == (None, "active")
    assert Customer.objects.get().deleted is None


@pytest.mark.parametrize("account_id", ["acct_", "1FakeStripe", "acct_a b", "acct_1Fake\n", 5])
def test_account_id__must_look_like_one(settings: Any, account_id: Any) -> None:
    settings.STRIPE_GATEWAY_ACCOUNT_ID = account_id
    assert any("STRIPE_GATEWAY_ACCOUNT_ID must be" in message.msg for message in run_checks())
