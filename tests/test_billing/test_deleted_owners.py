"""What becomes of what an owner pays for when the owner is deleted: as the host has chosen, on every way to delete."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.test import Client
from django.utils import timezone

from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.models import BillingOperation, Customer, Subscription
from django_stripe_gateway.services.subscriptions import line
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.rows import only_one
from tests.test_services.test_recovery import fork

pytestmark = pytest.mark.django_db(transaction=True)

User = get_user_model()


class UserUnderAnotherName(User):  # type: ignore[valid-type,misc]
    """A host's proxy, as hosts have them for an admin of their own."""

    class Meta:
        proxy = True
        app_label = "auth"


def by_instance(user: Any) -> None:
    User.objects.get(pk=user.pk).delete()


def by_queryset(user: Any) -> None:
    User.objects.filter(pk=user.pk).delete()


WAYS: list[Callable[[Any], None]] = [by_instance, by_queryset]


def exists(user: Any) -> bool:
    return User.objects.filter(pk=user.pk).exists()


def at_stripe(host: SubscriptionHost) -> str:
    return str(host.fake.all("subscription")[0]["status"])


def reconciled() -> str:
    out = StringIO()
    call_command("reconcile", stdout=out)
    return out.getvalue()


# Refused, by default


@pytest.mark.parametrize("delete", WAYS)
def test_refused(host: SubscriptionHost, user: Any, delete: Callable[[Any], None]) -> None:
    host.subscribed()
    with pytest.raises(ProtectedError, match="close_account"):
        delete(user)
    assert exists(user)
    assert Customer.objects.get().owner == user
    assert not BillingOperation.objects.filter(kind="cancel").exists()


def test_refused__while_a_page_is_open(host: SubscriptionHost, user: Any) -> None:
    host.subscribe(mode="checkout")
    with pytest.raises(ProtectedError, match="close_account"):
        user.delete()


def test_refused__while_nobody_knows_what_was_started(host: SubscriptionHost, user: Any) -> None:
    host.fake.fault("POST", "/v1/subscriptions", kind="reset_before")
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}).status_code == 502
    with pytest.raises(ProtectedError, match="close_account"):
        user.delete()


def test_refused__until_it_is_over(host: SubscriptionHost, user: Any) -> None:
    cancel_subscription(subscription=host.subscribed())
    with pytest.raises(ProtectedError):
        user.delete()
    cancel_subscription(subscription=only_one(), at_period_end=False)
    user.delete()
    assert Customer.objects.get().owner is None


def test_refused__under_another_name(host: SubscriptionHost, user: Any) -> None:
    """A proxy's deletion tells its own name to who listens."""
    host.subscribed()
    # What no app has declared is not known when the apps are ready.
    from django_stripe_gateway.services.leaving.owners import guard_owners

    guard_owners()
    with pytest.raises(ProtectedError):
        UserUnderAnotherName.objects.get(pk=user.pk).delete()
    assert exists(user)


def test_refused__in_the_admin(host: SubscriptionHost, user: Any, admin_client: Client) -> None:
    host.subscribed()
    page = admin_client.get(f"/admin/auth/user/{user.pk}/delete/").content.decode()
    assert f"{host.customer.provider_id} is still charged, or may be. End that with close_account first." in page
    admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    chosen = {"action": "delete_selected", "_selected_action": [user.pk], "post": "yes"}
    admin_client.post("/admin/auth/user/", chosen)
    assert exists(user)


def test_others_go(host: SubscriptionHost, user: Any, other_user: Any) -> None:
    """Who never paid, and who pays for nothing any more, is deleted as ever."""
    host.subscribed()
    other_user.delete()
    assert not exists(other_user)


# Ended


@pytest.fixture
def cancels(settings: Any) -> None:
    """Let deletions end what runs."""
    settings.STRIPE_GATEWAY_DELETED_OWNERS = "cancel"


@pytest.mark.usefixtures("cancels")
@pytest.mark.parametrize("delete", WAYS)
def test_cancelled(host: SubscriptionHost, user: Any, delete: Callable[[Any], None]) -> None:
    host.subscribed()
    delete(user)
    assert at_stripe(host) == "canceled"
    assert only_one().status == "canceled"
    assert (Customer.objects.get().owner, exists(user)) == (None, False)
    assert not BillingOperation.objects.pending().exists()
    assert "orphaned  0" in reconciled()


@pytest.mark.usefixtures("cancels")
def test_cancelled__in_the_admin(host: SubscriptionHost, user: Any, admin_client: Client) -> None:
    host.subscribed()
    admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    assert (at_stripe(host), exists(user)) == ("canceled", False)


@pytest.mark.usefixtures("cancels")
def test_cancelled__first_payment_open(host: SubscriptionHost, user: Any) -> None:
    host.subscribe()
    user.delete()
    assert at_stripe(host) in ("canceled", "incomplete_expired")
    assert all(invoice["status"] in ("void", "draft") for invoice in host.fake.all("invoice"))


@pytest.mark.usefixtures("cancels")
def test_cancelled__page(host: SubscriptionHost, user: Any) -> None:
    host.subscribe(mode="checkout")
    user.delete()
    assert host.fake.all("checkout.session")[0]["status"] == "expired"
    assert only_one().status == "incomplete_expired"


@pytest.mark.usefixtures("cancels")
def test_cancelled__page_that_was_used_unheard(host: SubscriptionHost, user: Any) -> None:
    host.subscribe(mode="checkout")
    host.fake.complete_checkout(only_one().checkout_id, deliver=False)
    user.delete()
    assert at_stripe(host) == "canceled"
    assert only_one().status == "canceled"


@pytest.mark.usefixtures("cancels")
def test_cancelled__what_nobody_knew_was_started(host: SubscriptionHost, user: Any) -> None:
    host.fake.fault("POST", "/v1/subscriptions", kind="reset_after")
    assert host.post("subscribe", {"plan_id": host.basic.plan_id}).status_code == 502
    user.delete()
    call_command("reconcile")
    assert at_stripe(host) in ("canceled", "incomplete_expired")
    assert only_one().has_ended


@pytest.mark.usefixtures("cancels")
def test_cancelled__silent_stripe(host: SubscriptionHost, user: Any) -> None:
    host.subscribed()
    host.fake.fault("DELETE", "/v1/subscriptions/*", kind="error_500_before")
    user.delete()
    assert not exists(user)
    assert at_stripe(host) == "active"
    assert BillingOperation.objects.pending().get().kind == BillingOperationKind.CANCEL
    reconciled()
    assert at_stripe(host) == "canceled"


@pytest.mark.usefixtures("cancels")
def test_cancelled__rolled_back(host: SubscriptionHost, user: Any) -> None:
    host.subscribed()
    host.fake.forget_requests()
    with transaction.atomic():
        user_pk = user.pk
        User.objects.get(pk=user_pk).delete()
        # Nobody is asked before it is sure.
        assert host.fake.requests == []
        transaction.set_rollback(True)
    assert host.fake.requests == []
    assert (at_stripe(host), exists(user)) == ("active", True)
    assert not BillingOperation.objects.filter(kind="cancel").exists()


@pytest.mark.usefixtures("cancels")
def test_cancelled__killed_after_the_commit(host: SubscriptionHost, user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host.subscribed()

    class Killed(BaseException):
        pass

    def die(*args: Any) -> None:
        raise Killed

    monkeypatch.setattr(line, "_carry_out", die)
    with pytest.raises(Killed):
        user.delete()
    monkeypatch.undo()
    assert (at_stripe(host), exists(user)) == ("active", False)
    reconciled()
    assert at_stripe(host) == "canceled"
    assert only_one().status == "canceled"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.usefixtures("cancels")
def test_cancelled__process_killed(host: SubscriptionHost, user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        pytest.skip("A process of its own needs a database that it can share.")
    host.subscribed()
    monkeypatch.setattr(line, "_carry_out", lambda pk: os.kill(os.getpid(), signal.SIGKILL))
    connection.close()
    child = fork(lambda: by_instance(user))
    os.waitpid(child, 0)
    monkeypatch.undo()
    assert (at_stripe(host), exists(user)) == ("active", False)
    reconciled()
    assert at_stripe(host) == "canceled"


# Kept, and left by statements that Django does not see


def test_kept(host: SubscriptionHost, user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_DELETED_OWNERS = "keep"
    host.subscribed()
    user.delete()
    assert at_stripe(host) == "active"
    assert Customer.objects.get().owner is None
    # Named, and no failure: it is what the host has chosen.
    assert "orphaned" in reconciled()


@pytest.fixture
def orphan(host: SubscriptionHost, user: Any) -> Subscription:
    """Return a subscription whose owner a statement of the host's has deleted."""
    subscription = host.subscribed()
    Customer.objects.update(owner=None)
    User.objects.filter(pk=user.pk)._raw_delete("default")
    return subscription


def test_orphan__in_reconcile(orphan: Subscription) -> None:
    out = StringIO()
    with pytest.raises(CommandError, match="close_account"):
        call_command("reconcile", stdout=out)
    text = out.getvalue()
    assert f"customer {orphan.customer.provider_id}: orphaned" in text
    assert str(orphan.provider_id) in text
    assert "orphaned  1" in text


def test_orphan__in_the_admin(orphan: Subscription, admin_client: Client) -> None:
    root = "/admin/django_stripe_gateway"
    for path, pk in (("customer", orphan.customer_id), ("subscription", orphan.pk)):
        page = admin_client.get(f"{root}/{path}/{pk}/change/").content.decode()
        assert "charged on" in page
    assert f">{orphan.customer_id}<" in admin_client.get(f"{root}/customer/?ownerless=orphaned").content.decode()
    assert f">{orphan.pk}<" in admin_client.get(f"{root}/subscription/?state=orphaned").content.decode()
    Subscription.objects.update(status="canceled", ended_at=timezone.now())
    assert "charged on" not in admin_client.get(f"{root}/customer/{orphan.customer_id}/change/").content.decode()
    assert "0 customers" in admin_client.get(f"{root}/customer/?ownerless=orphaned").content.decode()


def test_orphan__is_ended_by_customer(host: SubscriptionHost, orphan: Subscription) -> None:
    call_command("close_account", "--customer", orphan.customer.provider_id)
    assert at_stripe(host) == "canceled"
    assert "orphaned  0" in reconciled()
