"""A payment model that has lost the constraint on its money is told of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import models
from django.test.utils import isolate_apps

from django_stripe_gateway.checks import money
from django_stripe_gateway.models import AbstractPayment


@pytest.mark.django_db
def test_ours_has_it() -> None:
    assert not [message for message in run_checks(tags=["django_stripe_gateway"]) if message.id.endswith("W040")]


@pytest.mark.parametrize(("keeps", "expected"), [(True, []), (False, ["django_stripe_gateway.W040"])])
def test_hosts(keeps: bool, expected: list[str], monkeypatch: Any) -> None:
    with isolate_apps("django_stripe_gateway"):

        class Kept(AbstractPayment):
            class Meta(AbstractPayment.Meta):
                app_label = "django_stripe_gateway"

        class Lost(AbstractPayment):
            class Meta:
                app_label = "django_stripe_gateway"
                ordering = ("pk",)
                constraints = (models.UniqueConstraint(fields=["order_id"], name="order_once"),)

        monkeypatch.setattr(money, "get_payment_model", lambda: Kept if keeps else Lost)
        assert [message.id for message in money.check_money_constraint(None)] == expected
