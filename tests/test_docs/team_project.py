"""What must be true of a site that follows the guide to teams, and nothing else."""

from __future__ import annotations

from typing import Any

SETTINGS = """
INSTALLED_APPS += ["rest_framework", "rest_framework.authtoken", "django_stripe_gateway"]
PAYMENT_MODEL = "django_stripe_gateway.Payment"
PAYMENT_HOST = "localhost:8000"
STRIPE_GATEWAY_API_KEY = "sk_test_fake"
STRIPE_GATEWAY_WEBHOOK_SECRET = "whsec_test"
"""
URLS = """
from django.contrib import admin
from django.urls import include, path
urlpatterns = [path("admin/", admin.site.urls), path("api/v1/", include("django_stripe_gateway.urls"))]
"""
START = """
from django.conf import settings
from django.contrib.auth.models import Permission, User
from rest_framework.test import APIClient
from teams.models import Membership, Team

def client(name, **headers):
    found = APIClient(SERVER_NAME="localhost", headers=headers)
    found.force_login(User.objects.get(username=name))
    return found

def post(who, path, body=None):
    return who.post("/api/v1/subscriptions/" + path + "/", body or {}, format="json")

def get(who, path):
    return who.get("/api/v1/subscriptions/" + path + "/")
"""
MEMBERS = """
for name in ("owner", "member", "staff", "other"):
    User.objects.create_user(name)
User.objects.get(username="staff").user_permissions.add(Permission.objects.get(codename="change_terms"))
for slug in ("ours", "theirs"):
    Team.objects.create(name=slug, slug=slug, billing_email=slug + "@example.com")
for slug, name, is_owner in (
    ("ours", "owner", True), ("ours", "member", False), ("theirs", "owner", False), ("theirs", "other", True)
):
    Membership.objects.create(
        team=Team.objects.get(slug=slug), user=User.objects.get(username=name), is_owner=is_owner
    )
from django_stripe_gateway.conf.api import SUBSCRIPTION_ACTIONS
assert set(settings.STRIPE_GATEWAY_ACTION_PERMISSIONS) == set(SUBSCRIPTION_ACTIONS)
from django_stripe_gateway.models import PlanPricing, Subscription
price = PlanPricing.objects.filter(plan__slug="premium").first()
body = {"plan_id": price.plan_id}
member, other = client("member"), client("other")
assert post(member, "subscribe", body).status_code == 403
# Two teams, and none is named; the other is not theirs to change; a stranger's is nobody's.
assert post(client("owner"), "subscribe", body).status_code in (401, 403)
assert post(client("owner", **{"X-Team": "theirs"}), "subscribe", body).status_code == 403
assert post(client("member", **{"X-Team": "theirs"}), "subscribe", body).status_code in (401, 403)
owner = client("owner", **{"X-Team": "ours"})
made = post(owner, "subscribe", body)
assert made.status_code == 201, made.content
subscription = Subscription.objects.get()
assert subscription.customer.owner == Team.objects.get(slug="ours")
print(subscription.provider_id)
"""
PAID = """
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.subscriptions import sync_subscription
subscription = sync_subscription(subscription=Subscription.objects.get())
assert subscription.is_valid
member, body = client("member"), {"subscription_id": subscription.provider_id}
for path in ("status", "invoices", "payment_methods"):
    assert get(member, path).status_code == 200, path
for path in ("cancel", "change", "pause", "unpause", "portal", "discount", "payment_methods", "resume", "items"):
    assert post(member, path, body).status_code == 403, path
assert [one["subscription_id"] for one in get(member, "status").json()["results"]] == [subscription.provider_id]
assert get(client("other"), "status").json()["results"] == []
assert post(client("staff"), "cancel", body).status_code == 200
assert post(client("other"), "resume", body).status_code == 404
assert post(client("owner", **{"X-Team": "ours"}), "resume", body).status_code == 200
"""
LATER = """
from django_stripe_gateway.models import Customer, Subscription
from teams.details import send_details
from teams.seats import adjust_seats
team = Team.objects.get(slug="ours")
team.billing_email = "billing@example.com"
team.save()
send_details(team)
pricing = Subscription.objects.get().pricing
pricing.is_per_seat = True
pricing.save()
adjust_seats(team)
assert Subscription.objects.get().quantity == 2
print(Customer.objects.get(owner=team).provider_id)
"""


def begin(project: Any) -> None:
    """Make the project that the guide adds teams to; Stripe is the fake."""
    project.shell("python -m django startproject config .")
    project.append("config/settings.py", f'{SETTINGS}STRIPE_GATEWAY_API_BASE = "{project.fake.url}"\n')
    (project.folder / "config" / "urls.py").write_text(URLS, encoding="utf-8")


def members(project: Any) -> None:
    """Owners of a team change what it is charged, its members look, and others have no part in it."""
    project.shell("python manage.py seed_subscriptions")
    identifier = run(project, MEMBERS)
    project.fake.customer_pays(identifier, "pm_card_visa")
    run(project, PAID)


def details_and_seats(project: Any) -> None:
    """The team's address is sent, and its seats are as many as its members."""
    customer_id = run(project, LATER)
    assert project.fake.get(customer_id)["email"] == "billing@example.com"


def run(project: Any, code: str) -> str:
    """Run code in the project; return the last line that it has printed."""
    (project.folder / "asked.py").write_text(START + code, encoding="utf-8")
    printed = project.shell("python manage.py shell -v 0 -c \"exec(open('asked.py').read(), {})\"").splitlines()
    return str(printed[-1]) if printed else ""
