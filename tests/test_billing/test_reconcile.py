"""What ``reconcile`` does for customers and subscriptions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer, update_customer
from django_stripe_gateway.services.subscriptions.reconcile import (
    reconcile_billing_operations,
    reconcile_customers,
    reconcile_subscriptions,
)
from tests.conftest import SignalRecorder
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.support import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


def outcomes(found: Any) -> list[str]:
    return [result.outcome for result in found]


def test_details_follow_the_owner(host: SubscriptionHost, user: Any) -> None:
    host.subscribe()
    assert host.fake.get(host.customer.provider_id)["email"] == "ada@example.com"
    host.fake.forget_requests()
    user.last_login = timezone.now()
    user.save(update_fields=["last_login"])
    assert outcomes(reconcile_customers()) == []
    user.save()
    assert outcomes(reconcile_customers()) == ["unchanged"]
    assert host.fake.requests == []
    user.email, user.first_name = "lovelace@example.com", "Ada"
    user.save()
    assert host.fake.requests == []
    assert outcomes(reconcile_customers()) == ["changed"]
    at_stripe = host.fake.get(host.customer.provider_id)
    assert (at_stripe["email"], at_stripe["name"]) == ("lovelace@example.com", "Ada")
    assert outcomes(reconcile_customers()) == []


@pytest.mark.parametrize(("field", "empty"), [("email", None), ("name", None)])
def test_details__emptied(host: SubscriptionHost, user: Any, field: str, empty: None) -> None:
    """What the owner has taken back is taken from Stripe as well, and only then noted as told."""
    user.first_name = "Ada"
    user.save()
    host.subscribe()
    setattr(user, {"name": "first_name"}.get(field, field), "")
    user.save()
    path = f"/v1/customers/{host.customer.provider_id}"
    digest = host.customer.details_digest
    host.fake.fault("POST", path, kind="error_500_before")
    assert outcomes(reconcile_customers()) == ["silent"]
    assert host.customer.details_digest == digest
    assert outcomes(reconcile_billing_operations()) == ["settled"]
    assert host.fake.get(host.customer.provider_id)[field] is empty
    assert host.customer.details_digest != digest
    assert outcomes(reconcile_customers()) == []


def test_details__heard_from_the_customer(host: SubscriptionHost, user: Any) -> None:
    """An e-mail address that Stripe has been told by the customer alone is not ours to take away."""
    user.email = ""
    user.save()
    host.subscribe()
    v1: Any = get_billing_gateway("stripe").v1  # type: ignore[attr-defined]
    v1.customers.update(host.customer.provider_id, {"email": "ada@elsewhere.example"})
    user.first_name = "Ada"
    user.save()
    assert outcomes(reconcile_customers()) == ["changed"]
    at_stripe = host.fake.get(host.customer.provider_id)
    assert (at_stripe["email"], at_stripe["name"]) == ("ada@elsewhere.example", "Ada")


def test_details__silent_stripe(host: SubscriptionHost, user: Any) -> None:
    host.subscribe()
    user.email = "lovelace@example.com"
    user.save()
    host.fake.fault("POST", f"/v1/customers/{host.customer.provider_id}", kind="error_500_before")
    assert outcomes(reconcile_customers()) == ["silent"]
    assert outcomes(reconcile_billing_operations()) == ["settled"]
    assert host.fake.get(host.customer.provider_id)["email"] == "lovelace@example.com"
    assert outcomes(reconcile_customers()) == []


def test_details__saved_while_others_were_on_their_way(host: SubscriptionHost, user: Any) -> None:
    host.subscribe()
    user.email = "lovelace@example.com"
    user.save()
    customer = host.customer

    def save_again() -> None:
        hold.wait()
        user.email = "countess@example.com"
        user.save()
        hold.release()

    with host.fake.hold("POST", "/v1/customers/*", when="after") as hold:
        in_threads([lambda: update_customer(customer=customer), save_again], 2)
    assert host.fake.get(customer.provider_id)["email"] == "lovelace@example.com"
    assert outcomes(reconcile_customers()) == ["changed"]
    assert host.fake.get(customer.provider_id)["email"] == "countess@example.com"
    assert outcomes(reconcile_customers()) == []


@pytest.mark.parametrize("seconds", [0, 2])
def test_details__default_chosen_while_they_are_on_their_way(host: SubscriptionHost, user: Any, seconds: int) -> None:
    """What is heard of the customer before the answer comes is newer than the answer, or is looked up."""
    host.subscribed()
    user.email = "lovelace@example.com"
    user.save()
    customer = host.customer

    def choose() -> None:
        hold.wait()
        if seconds:
            host.fake.advance(seconds=seconds)
        host.fake.customer_changes_card(customer.provider_id, "pm_card_mastercard")
        host.deliver_new()
        hold.release()

    with host.fake.hold("POST", "/v1/customers/*", when="after") as hold:
        changed, _chosen = in_threads([lambda: update_customer(customer=customer), choose], 2)
    charged = host.fake.get(customer.provider_id)["invoice_settings"]["default_payment_method"]
    assert host.customer.default_payment_method == changed.default_payment_method == charged
    assert outcomes(reconcile_customers()) == []


def test_details__saved_while_the_customer_is_being_made(host: SubscriptionHost, user: Any) -> None:
    def save() -> None:
        hold.wait()
        user.email = "countess@example.com"
        user.save()
        hold.release()

    owner = type(user).objects.get(pk=user.pk)
    with host.fake.hold("POST", "/v1/customers", when="after") as hold:
        in_threads([lambda: ensure_customer(owner=owner), save], 2)
    assert host.fake.get(host.customer.provider_id)["email"] == "ada@example.com"
    assert outcomes(reconcile_customers()) == ["changed"]
    assert host.fake.get(host.customer.provider_id)["email"] == "countess@example.com"
    assert outcomes(reconcile_customers()) == []


def test_details__saved_while_the_operation_waits(host: SubscriptionHost, user: Any) -> None:
    """What an operation carries on with is what it was stored with, however late that is."""
    host.fake.fault("POST", "/v1/customers", kind="error_500_before")
    with pytest.raises(ProviderUnavailable):
        ensure_customer(owner=user)
    user.email = "countess@example.com"
    user.save()
    assert outcomes(reconcile_customers()) == []
    assert outcomes(reconcile_billing_operations()) == ["settled"]
    assert host.fake.get(host.customer.provider_id)["email"] == "ada@example.com"
    assert outcomes(reconcile_customers()) == ["changed"]
    assert host.fake.get(host.customer.provider_id)["email"] == "countess@example.com"


def test_details__customer_deleted_unheard(host: SubscriptionHost, user: Any, recorded_signals: SignalRecorder) -> None:
    host.subscribed()
    host.fake.delete_customer(host.customer.provider_id)
    user.email = "new@example.com"
    user.save()
    assert outcomes(reconcile_customers()) == ["changed"]
    assert not host.customer.exists_at_provider
    assert outcomes(reconcile_customers()) == []
    assert recorded_signals.names.count("customer_deleted") == 1


def test_lost_events(host: SubscriptionHost) -> None:
    made = host.subscribe()
    host.fake.customer_pays(made["subscription_id"], "pm_card_visa")
    assert outcomes(reconcile_subscriptions(older_than=HOUR)) == []
    Subscription.objects.update(created=timezone.now() - 2 * HOUR)
    assert outcomes(reconcile_subscriptions(older_than=HOUR)) == ["changed"]
    subscription = Subscription.objects.get()
    assert (subscription.status, subscription.invoices.get().status) == ("active", "paid")
    assert outcomes(reconcile_subscriptions(older_than=HOUR)) == []
    Subscription.objects.update(current_period_end=timezone.now() - 2 * HOUR)
    assert outcomes(reconcile_subscriptions(older_than=HOUR)) == ["changed"]


def test_lost_page(host: SubscriptionHost) -> None:
    host.subscribe(mode="checkout")
    host.fake.complete_checkout(host.fake.all("checkout.session")[0]["id"])
    Subscription.objects.update(created=timezone.now() - 2 * HOUR)
    assert outcomes(reconcile_subscriptions(older_than=HOUR)) == ["changed"]
    assert Subscription.objects.get().status == "active"


def test_killed_before_the_answer(host: SubscriptionHost) -> None:
    """Stripe has acted and its answer is lost: the operation is carried on, and there is one subscription."""
    host.fake.fault("POST", "/v1/subscriptions", kind="reset_after")
    refused = host.post("subscribe", {"plan_id": host.basic.plan_id})
    assert refused.status_code == 502
    assert Subscription.objects.get().status == "starting"
    assert outcomes(reconcile_billing_operations()) == ["settled"]
    assert Subscription.objects.get().status == "incomplete"
    assert len(host.fake.all("subscription")) == 1
