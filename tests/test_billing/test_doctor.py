"""``manage.py doctor``: one table of what is of another account, what is stuck, why, and what to do."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_stripe_gateway.exceptions import UnknownAtProvider
from django_stripe_gateway.models import (
    BillingOperation,
    Customer,
    Invoice,
    MeterEvent,
    ProviderAccount,
    Subscription,
    WebhookEvent,
    get_payment_model,
)
from django_stripe_gateway.models.provider_accounts import known_accounts
from django_stripe_gateway.payments import create_payment, refund_payment, sync_payment
from django_stripe_gateway.subscriptions import sync_subscription
from tests.fake_stripe.keys import DEFAULT_ACCOUNT
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


@pytest.mark.parametrize("kind", ["rate_limit", "error_500_before", "reset_before"])
def test_key__provider_does_not_answer(host: SubscriptionHost, kind: str) -> None:
    host.fake.fault("GET", "/v1/account", kind=kind, times=9)
    code, lines = doctor()
    assert code == 1
    assert "run manage.py doctor again later" in "\n".join(lines)
    assert "STRIPE_GATEWAY_API_KEY" not in "\n".join(lines)


@pytest.mark.parametrize("key", ["", "sk_test_revoked"])
def test_key__is_no_key_of_the_named_account(host: SubscriptionHost, settings: Any, key: str) -> None:
    settings.STRIPE_GATEWAY_API_KEY = key
    code, lines = doctor()
    assert code == 1
    assert "the key is in STRIPE_GATEWAY_API_KEY" in "\n".join(lines)


def test_account__is_not_the_keys(host: SubscriptionHost, settings: Any) -> None:
    host.subscribed(host.premium)
    settings.STRIPE_GATEWAY_ACCOUNT_ID = "acct_typo"
    code, lines = doctor()
    said = "\n".join(lines)
    assert code == 1
    assert "acct_typo" in said
    assert DEFAULT_ACCOUNT in said
    assert "Give up on" not in said


@pytest.mark.parametrize("status", ["active", "past_due", "unpaid", "paused", "incomplete", "trialing"])
def test_missing_owners__whatever_still_runs(host: SubscriptionHost, status: str) -> None:
    host.subscribed(host.premium)
    Customer.objects.update(owner=None)
    long_ago = timezone.now() - timedelta(days=30)
    Subscription.objects.update(status=status, past_due_since=long_ago)
    code, lines = doctor()
    assert code == 1
    assert "close_account --customer" in "\n".join(lines)


def test_what_waits_or_was_refused(host: SubscriptionHost) -> None:
    long_ago, customer = timezone.now() - timedelta(days=2), host.subscribed(host.premium).customer
    for state in ("pending", "refused", "unclear", "sent"):
        MeterEvent.objects.create(
            customer=customer, metric="calls", event_name="calls", value=1, state=state, occurred=long_ago,
            created=long_ago, leased_until=long_ago,
        )  # fmt: skip
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD"}
    host.client.post("/api/v1/payments/create_payment/", body, format="json")
    get_payment_model()._default_manager.update(created=timezone.now() - timedelta(days=21))
    WebhookEvent.objects.filter(pk=WebhookEvent.objects.latest("pk").pk).update(state="mismatched")
    code, lines = doctor()
    said = "\n".join(lines)
    assert code == 1
    for text in ("not sent for more", "is not billed", "knows whether", "have waited for", "mismatched"):
        assert text in said, text
    assert {line.split()[0] for line in lines[1:] if "have waited for" in line} == {"note"}


def test_rows_of_no_known_account(host: SubscriptionHost) -> None:
    before = host.subscribed(host.premium)
    for model in (Subscription, Customer, Invoice):
        model._default_manager.update(account_id="")
    lines = doctor()[1]
    assert "made before the account was known" in "\n".join(lines)
    seen = {"variant": "stripe", "key_digest": "other", "account_id": "acct_other", "asked": timezone.now()}
    for code in (0, 1):
        # The variant has stood for one account only, then for two.
        assert doctor()[0] == code
        ProviderAccount.objects.get_or_create(**seen)
    sync_subscription(subscription=before)
    for model in (Subscription, Customer, Invoice):
        assert set(model._default_manager.values_list("account_id", flat=True)) == {DEFAULT_ACCOUNT}


def test_payments_of_no_known_account(asked: None, host: SubscriptionHost, settings: Any) -> None:
    """They were made while Stripe did not say whose the key is: whose they are, it says when it is asked about them."""
    host.fake.fault("GET", "/v1/account", kind="error_500_before", times=99)
    made = create_payment(gateway="stripe", amount=Decimal(10), currency="USD", owner=host.user, order_id="17")
    host.fake.complete_checkout(made.transaction_id)
    host.deliver_new()
    host.fake.clear_faults()
    rows = get_payment_model().objects
    order = {"owner": host.user, "order_id": "17", "currency": "USD"}
    assert doctor()[0] == 0
    assert (rows.get().account_id, rows.paid_amount(**order)) == ("", 10)
    own_key, settings.STRIPE_GATEWAY_API_KEY = settings.STRIPE_GATEWAY_API_KEY, "sk_test_other"
    host.fake.add_key("sk_test_other", account="acct_other", name="other shop")
    code, lines = doctor()
    (line,) = (line for line in lines if " payments " in line)
    assert code == 0, lines
    assert "Ask the provider about selected payments" in line
    assert "pay for no order" in line
    assert rows.paid_amount(**order) == 0
    with pytest.raises(UnknownAtProvider):
        sync_payment(payment=rows.get())
    assert rows.paid_amount(**order) == 0
    settings.STRIPE_GATEWAY_API_KEY = own_key
    assert rows.paid_amount(**order) == 0
    sync_payment(payment=rows.get())
    assert (rows.get().account_id, rows.paid_amount(**order)) == (DEFAULT_ACCOUNT, 10)
    assert doctor() == (0, ["All is well."])


@pytest.mark.parametrize("way", ["refund", "import_account"])
def test_payments_of_no_known_account__are_proved(asked: None, host: SubscriptionHost, way: str) -> None:
    made = create_payment(gateway="stripe", amount=Decimal(10), currency="USD", owner=host.user)
    host.fake.complete_checkout(made.transaction_id)
    host.deliver_new()
    get_payment_model().objects.update(account_id="")
    if way == "refund":
        refund_payment(payment=get_payment_model().objects.get(), amount=Decimal(1))
    else:
        call_command("import_account", stdout=StringIO())
    assert get_payment_model().objects.get().account_id == DEFAULT_ACCOUNT
