"""``manage.py doctor``: one table of what is of another account, what is stuck, why, and what to do."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_stripe_gateway.models import BillingOperation, Customer, ProviderAccount, Subscription, WebhookEvent
from django_stripe_gateway.models.provider_accounts import known_accounts
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

LIVE_KEY = "sk_live_fake"


def doctor(**options: Any) -> tuple[int, list[str]]:
    """Return the exit code, and the lines that were printed."""
    out, code = StringIO(), 0
    try:
        call_command("doctor", stdout=out, stderr=StringIO(), **options)
    except SystemExit as left:
        code = int(str(left.code))
    return code, out.getvalue().splitlines()


def test_all_is_well(host: SubscriptionHost) -> None:
    host.subscribed(host.premium)
    WebhookEvent.objects.all().delete()
    assert doctor() == (0, ["All is well."])


def test_other_mode(host: SubscriptionHost, settings: Any) -> None:
    host.subscribed(host.premium)
    settings.STRIPE_GATEWAY_API_KEY = LIVE_KEY
    code, lines = doctor()
    assert code == 1
    assert lines[0].split()[:4] == ["what", "count", "variant", "mode"]
    found = {tuple(line.split()[:3]): line for line in lines}
    subscriptions = found["problem", "subscriptions", "1"]
    assert "of the other mode" in subscriptions
    assert "Give up on selected subscriptions" in subscriptions
    assert "sync_plans --push" in found["problem", "plans", "2"]
    assert "nothing to do" in found["note", "customers", "1"]
    assert ("note", "prices", "2") in found


def test_stuck(host: SubscriptionHost) -> None:
    before = host.subscribed(host.premium)
    long_ago = timezone.now() - timedelta(hours=3)
    BillingOperation.objects.filter(kind="subscribe").update(state="pending", leased_until=long_ago)
    WebhookEvent.objects.filter(pk=WebhookEvent.objects.latest("pk").pk).update(state="dead")
    Customer.objects.update(owner=None)
    Subscription.objects.update(plan=None)
    said = "\n".join(doctor()[1])
    for text in ("no answer for more than an hour", "dead", "no plan's here", "owner is gone", "manage.py reconcile"):
        assert text in said, text
    Subscription.objects.filter(pk=before.pk).update(lost=timezone.now())
    assert "unknown at the provider" in "\n".join(doctor()[1])


def test_offline__asks_nobody(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ACCOUNT_ID = ""
    known_accounts.forget()
    before = len(host.fake.requests)
    code, lines = doctor(offline=True)
    assert (code, len(host.fake.requests)) == (0, before)
    assert "STRIPE_GATEWAY_ACCOUNT_ID" in "\n".join(lines)
    assert not ProviderAccount.objects.exists()
    assert doctor() == (0, ["All is well."])
    assert ProviderAccount.objects.get().account_id
    known_accounts.forget()


def test_key__is_not_accepted(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ACCOUNT_ID = ""
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_revoked"
    known_accounts.forget()
    code, lines = doctor()
    assert code == 1
    assert "does not accept the API key" in "\n".join(lines)
    assert "sk_test_revoked" not in "\n".join(lines)
