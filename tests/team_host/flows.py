"""What must work where teams are billed; ``test_host.py`` runs this file under the host's settings."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db.models import ProtectedError
from django.test import Client
from rest_framework.test import APIClient

from django_stripe_gateway import usage
from django_stripe_gateway.models import Customer, IdempotencyKey, PlanLimit, Subscription
from django_stripe_gateway.payments import create_payment
from django_stripe_gateway.subscriptions import close_account, erase_owner, export_owner, has_plan
from tests.fake_stripe import FakeStripe
from tests.team_host.teams.models import Company, Team
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)


class TeamHost(SubscriptionHost):
    """The same host, whose customer is the team."""

    @property
    def customer(self) -> Customer:
        """Return the team's customer."""
        return Customer.objects.get(owner=Team.objects.get())


@pytest.fixture
def team(user: Any) -> Team:
    team = Team.objects.create(name="Analysts", billing_email="bills@example.com")
    team.members.add(user)
    return team


@pytest.fixture
def host(stripe_server: FakeStripe, user: Any, api_client: APIClient, team: Team) -> TeamHost:
    return TeamHost(stripe_server, user, api_client)


def test_migrations__complete() -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


def test_team_is_billed(host: TeamHost, team: Team, other_client: APIClient) -> None:
    PlanLimit.objects.create(plan=host.basic.plan, metric="minutes", limit=10)
    subscription = host.subscribed()
    assert subscription.customer.owner == team
    at_stripe = host.fake.get(host.customer.provider_id)
    assert (at_stripe["name"], at_stripe["email"]) == ("Analysts", "bills@example.com")
    assert has_plan(team, "basic")
    assert len(host.get("status").json()["results"]) == 1
    # Somebody without a team owns nothing.
    assert host.get("status", client=other_client).status_code == 401
    which = {"subscription_id": subscription.provider_id}
    assert host.post("cancel", which, client=other_client).status_code == 401
    assert host.post("cancel", which).json()["cancel_at_period_end"] is True
    assert host.post("resume", which).status_code == 200
    assert host.post("portal").status_code == 201
    usage.consume(team, "minutes", 3)
    assert host.post("me/usage", {"metric": "minutes", "quantity": 7}).status_code in (200, 201)
    assert host.post("me/usage", {"metric": "minutes", "quantity": 1}).status_code == 429
    assert host.get("me/limits").json()["limits"][0]["remaining"] == 0


def test_members_share(host: TeamHost, team: Team, other_user: Any, other_client: APIClient) -> None:
    made = host.subscribe()
    team.members.add(other_user)
    assert host.get("status", client=other_client).json()["results"][0]["subscription_id"] == made["subscription_id"]
    again = host.post("subscribe", {"plan_id": host.basic.plan_id}, client=other_client)
    assert again.json()["subscription_id"] == made["subscription_id"]
    assert Subscription.objects.count() == Customer.objects.count() == 1


def test_details_follow(host: TeamHost, team: Team) -> None:
    host.subscribe()
    team.name = "Analysts & Friends"
    team.save()
    call_command("reconcile", verbosity=0)
    assert host.fake.get(host.customer.provider_id)["name"] == "Analysts & Friends"


def test_admin(host: TeamHost, team: Team, settings: Any) -> None:
    host.subscribed()
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root"))
    for model in admin.site._registry:
        if model._meta.app_label == "django_stripe_gateway":
            path = f"/admin/django_stripe_gateway/{model._meta.model_name}/"
            assert client.get(path).status_code == client.get(f"{path}?q=Analysts").status_code == 200, path
    settings.STRIPE_GATEWAY_DELETED_OWNERS = "keep"
    team.delete()
    assert Subscription.objects.get().customer.owner is None


@pytest.fixture
def company(host: TeamHost, team: Team) -> Company:
    """Return a company whose team subscribes."""
    made = Company.objects.create(name="Engines")
    team.company = made
    team.save()
    host.subscribed()
    return made


def test_cascade__refused(company: Company, team: Team) -> None:
    """Whoever is deleted takes nobody along who is still charged."""
    for delete in (company.delete, Company.objects.all().delete):
        with pytest.raises(ProtectedError, match="close_account"):
            delete()
    assert (Company.objects.count(), Customer.objects.get().owner) == (1, team)


def test_cascade__cancelled(host: TeamHost, company: Company, settings: Any) -> None:
    settings.STRIPE_GATEWAY_DELETED_OWNERS = "cancel"
    company.delete()
    assert Team.objects.count() == 0
    assert [subscription["status"] for subscription in host.fake.all("subscription")] == ["canceled"]


def test_leaving(host: TeamHost, team: Team, user: Any) -> None:
    """The team's subscriptions are the team's; a member's payments stay the member's."""
    host.subscribed()
    payment = create_payment(owner=user, gateway="stripe", amount=Decimal(10), currency="USD")
    assert [step.outcome for step in close_account(owner=team).steps] == ["ended"]
    assert export_owner(owner=team)["payments"] == []
    # What was answered to members who asked for the team goes with it.
    for scope in (str(team.pk), ""):
        IdempotencyKey.objects.create(owner=user, key="k", scope=scope, fingerprint="x")
    erase_owner(owner=team)
    assert IdempotencyKey.objects.get().scope == ""
    assert [step.subject for step in close_account(owner=user).steps] == [
        f"payment {payment.pk} ({payment.transaction_id})"
    ]
    team.delete()
    assert Customer.objects.get().owner is None


def test_leaving__by_command(host: TeamHost, team: Team, user: Any) -> None:
    """The same number may be a team's and a user's: whose is said."""
    host.subscribed()
    with pytest.raises(CommandError, match="--user"):
        call_command("export_owner", str(team.pk))
    payment = create_payment(owner=user, gateway="stripe", amount=Decimal(10), currency="USD")
    call_command("close_account", "--user", str(user.pk), stdout=StringIO())
    payment.refresh_from_db()
    assert payment.status == "cancelled"
    assert Subscription.objects.get().status == "active"
    call_command("close_account", "--owner", str(team.pk), stdout=StringIO())
    assert Subscription.objects.get().has_ended
