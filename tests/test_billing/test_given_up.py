"""Staff have given up on a subscription that runs on, or are about to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import ProtectedError
from django.utils import timezone

from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.subscriptions import give_up_subscription, has_plan
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_other_account import LIVE_KEY, OTHER_ACCOUNT, a_day_later, reconcile

pytestmark = pytest.mark.django_db(transaction=True)


def given_up(host: SubscriptionHost, settings: Any) -> Subscription:
    """Return a subscription that runs at Stripe, given up under a live key; the test key is back."""
    before = host.subscribed(host.premium)
    key, settings.STRIPE_GATEWAY_API_KEY = settings.STRIPE_GATEWAY_API_KEY, LIVE_KEY
    host.fake.add_key(LIVE_KEY)
    assert give_up_subscription(subscription=before, reason="oops").status == "canceled"
    settings.STRIPE_GATEWAY_API_KEY = key
    return before


def test_given_up__runs_on_by_an_event(asked: None, host: SubscriptionHost, settings: Any) -> None:
    before = given_up(host, settings)
    host.fake.advance(days=32)
    assert set(host.deliver_new()) <= {"processed", "ignored", "unmatched"}
    before.refresh_from_db()
    assert (before.status, before.given_up, before.lost, before.ended_at) == ("active", None, None, None)
    assert has_plan(host.user, host.premium.plan.slug)
    with pytest.raises(ProtectedError):
        host.user.delete()


def test_given_up__runs_on_by_a_look(asked: None, host: SubscriptionHost, settings: Any) -> None:
    before = given_up(host, settings)
    assert "canceled -> active" in reconcile()
    before.refresh_from_db()
    assert before.is_valid
    assert before.logs.filter(event="given_up", message__startswith="taken back").count() == 1


def test_given_up__stays_over_where_stripe_says_so(asked: None, host: SubscriptionHost, settings: Any) -> None:
    before = given_up(host, settings)
    host.fake.cancel_subscription(before.provider_id)
    reconcile()
    before.refresh_from_db()
    assert (before.status, before.given_up) == ("canceled", None)
    assert f"subscription {before.pk}" not in reconcile()


def test_given_up__is_asked_about_quietly_and_seldom(host: SubscriptionHost) -> None:
    before = host.subscribed(host.premium)
    host.fake.delete_test_data()
    a_day_later()
    before.refresh_from_db()
    give_up_subscription(subscription=before, reason="test data")
    begun = len(host.fake.requests)
    for _ in range(2):
        reconcile()
        paths = [record.path for record in host.fake.requests[begun:]]
        assert paths.count(f"/v1/subscriptions/{before.provider_id}") == 1
    before.refresh_from_db()
    assert before.status == "canceled"


def test_give_up__one_answer_is_not_enough(host: SubscriptionHost) -> None:
    before = host.subscribed(host.premium)
    a_day_later()
    host.fake.hide(before.provider_id)
    with pytest.raises(WrongState, match="an hour later"):
        give_up_subscription(subscription=before, reason="Stripe said so")
    before.refresh_from_db()
    assert before.is_valid
    Subscription.objects.update(missing_since=timezone.now() - timedelta(hours=1))
    before.refresh_from_db()
    assert give_up_subscription(subscription=before, reason="Stripe said so").status == "canceled"


def test_give_up__foreign_by_mistake_is_asked_about(host: SubscriptionHost) -> None:
    before = host.subscribed(host.premium)
    Subscription.objects.update(account_id=OTHER_ACCOUNT)
    before.refresh_from_db()
    assert not before.is_of_configured_account
    with pytest.raises(WrongState, match="knows this subscription"):
        give_up_subscription(subscription=before, reason="doctor said so")
    host.fake.hide(before.provider_id)
    assert give_up_subscription(subscription=before, reason="doctor said so").status == "canceled"
