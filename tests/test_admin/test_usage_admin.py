"""The admin of usage."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_stripe_gateway import usage
from django_stripe_gateway.models import LimitOverride, MeterEvent, UsageCounter, UsageGrant, UsageRecord
from tests.billing_factories import make_customer
from tests.factories import make_user
from tests.test_admin.pages import own_url
from tests.test_services.test_usage.support import make_default_plan

pytestmark = pytest.mark.django_db

READ_ONLY = ["usagecounter", "usagerecord", "usagereservation", "meterevent"]


@pytest.fixture(autouse=True)
def _limits(db: None) -> None:
    make_default_plan(("minutes", 10, "day"), ("megabytes", None, "day"))


def make_row(model: str) -> Any:
    owner = make_user()
    match model:
        case "usagereservation":
            return usage.reserve(owner, "minutes", 2)
        case "meterevent":
            return MeterEvent.objects.create(
                customer=make_customer(owner), metric="minutes", event_name="m", value=1, occurred=timezone.now()
            )
    record = usage.consume(owner, "minutes", 4)
    return record if model == "usagerecord" else UsageCounter.objects.get(owner=owner)


@pytest.mark.parametrize("model", READ_ONLY)
def test_read_only__even_for_superusers(admin_client: Client, model: str) -> None:
    row = make_row(model)
    before = type(row)._base_manager.values().get(pk=row.pk)
    assert admin_client.get(own_url(model, "add")).status_code == 403
    assert admin_client.get(own_url(model, "change", row.pk)).status_code == 200
    assert admin_client.post(own_url(model, "change", row.pk), {"used": 0}).status_code == 403
    assert admin_client.post(own_url(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    admin_client.post(own_url(model, "changelist"), {"action": "delete_selected", "_selected_action": [row.pk]})
    assert type(row)._base_manager.values().get(pk=row.pk) == before


@pytest.mark.parametrize("model", [*READ_ONLY, "limitoverride", "usagegrant"])
def test_pages__need_the_view_permission(staff_client: Any, model: str) -> None:
    assert staff_client().get(own_url(model, "changelist")).status_code == 403


@pytest.mark.parametrize("model", READ_ONLY)
def test_list__number_of_queries_is_constant(admin_client: Client, model: str) -> None:
    counts = []
    for _round in range(2):
        for _number in range(3):
            make_row(model)
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(own_url(model, "changelist"))
        counts.append(len(queries))
    assert len(response.context["cl"].result_list) == 6
    assert counts[0] == counts[1] <= 7


def test_counter__shows_limit_and_history(admin_client: Client) -> None:
    counter = make_row("usagecounter")
    content = admin_client.get(own_url("usagecounter", "change", counter.pk)).content.decode()
    assert "4 of 10 used, 6 left" in content
    assert '<progress value="4" max="10">' in content
    assert UsageRecord.objects.get().day.isoformat() in content
    found = admin_client.get(own_url("usagecounter", "changelist"), {"q": str(counter.owner_id)})
    assert counter in found.context["cl"].result_list


def test_counter__without_a_limit(admin_client: Client, user: Any) -> None:
    usage.consume(user, "megabytes", 7)
    counter = UsageCounter.objects.get()
    url = own_url("usagecounter", "change", counter.pk)
    assert "no limit; 7 used" in admin_client.get(url).content.decode()
    UsageCounter.objects.update(metric="gone")
    assert admin_client.get(url).status_code == 200


def test_grant(admin_client: Client, user: Any) -> None:
    data = {"owner": user.pk, "metric": "minutes", "quantity": 5, "expires_0": "", "expires_1": "", "note": ""}
    assert admin_client.post(own_url("usagegrant", "add"), data).status_code == 302
    grant = UsageGrant.objects.get()
    url = own_url("usagegrant", "change", grant.pk)
    usage.consume(user, "minutes", 13)
    # Less than was drawn cannot have been given.
    refused = admin_client.post(url, data | {"quantity": 2})
    assert refused.context["adminform"].form.errors
    other = make_user()
    assert admin_client.post(url, data | {"quantity": 8, "owner": other.pk}).status_code == 302
    grant.refresh_from_db()
    assert (grant.quantity, grant.drawn, grant.owner) == (8, 3, user)


def test_override(admin_client: Client, user: Any) -> None:
    data = {
        "owner": user.pk,
        "metric": "minutes",
        "limit": "",
        "period": "",
        "expires_0": "",
        "expires_1": "",
        "note": "",
    }
    assert admin_client.post(own_url("limitoverride", "add"), data).status_code == 302
    assert usage.allowance(user, "minutes").is_unlimited
    override = LimitOverride.objects.get()
    admin_client.post(own_url("limitoverride", "change", override.pk), data | {"limit": "3"})
    assert usage.allowance(user, "minutes").limit == 3


def test_usage__does_not_hold_users_back(admin_client: Client, user: Any) -> None:
    usage.consume(user, "minutes")
    usage.reserve(user, "minutes")
    admin_client.post(f"/admin/auth/user/{user.pk}/delete/", {"post": "yes"})
    assert not UsageCounter.objects.exists()
    assert UsageRecord.objects.get().owner is None
