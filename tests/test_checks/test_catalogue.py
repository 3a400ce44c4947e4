"""What the plans in the database promise."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from django_stripe_gateway.checks.catalogue import check_catalogue
from django_stripe_gateway.models import Plan, PlanLimit, PlanPricing
from tests.billing_factories import make_plan, make_pricing
from tests.test_checks.running import run

pytestmark = pytest.mark.django_db


@pytest.fixture
def paid() -> Plan:
    """Return a plan that is paid for, beside a default plan that gives minutes."""
    make_plan("free", is_default=True).limits.create(metric="minutes", limit=180)
    plan = make_plan("premium")
    make_pricing(plan)
    return plan


def found() -> list[str]:
    return run(check_catalogue, databases=["default"])


def test_w022__who_pays_gets_less(paid: Plan) -> None:
    assert found() == ["W022"]
    assert run(check_catalogue) == run(check_catalogue, databases=["other"]) == []
    paid.limits.create(metric="minutes", limit=None)
    assert found() == []


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        (Plan.objects.filter(slug="premium"), {"is_active": False}),
        (Plan.objects.filter(slug="premium"), {"is_add_on": True}),
        (Plan.objects.filter(slug="free"), {"is_default": False}),
        (PlanPricing.objects.all(), {"is_active": False}),
        (PlanPricing.objects.all(), {"amount": Decimal(0)}),
        (PlanLimit.objects.all(), {"limit": 0}),
    ],
)
def test_w022__nobody_is_worse_off(paid: Plan, rows: Any, values: dict[str, Any]) -> None:
    rows.all().update(**values)
    assert found() == []


def test_w023__use_is_not_reported(settings: Any) -> None:
    pricing = make_pricing(usage_type="metered", metric="calls")
    assert found() == ["W023"]
    settings.STRIPE_GATEWAY_USAGE_METERS = {"calls": "api_calls"}
    assert found() == []
    settings.STRIPE_GATEWAY_USAGE_METERS = {}
    Plan.objects.filter(pk=pricing.plan_id).update(is_active=False)
    assert found() == []


@pytest.mark.django_db(transaction=True)
def test_tables_are_missing() -> None:
    with connection.schema_editor() as editor:
        editor.delete_model(PlanLimit)
    try:
        make_plan("free", is_default=True)
        assert found() == []
    finally:
        with connection.schema_editor() as editor:
            editor.create_model(PlanLimit)
