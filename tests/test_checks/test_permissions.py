"""What a team's members may change."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from django_stripe_gateway.checks.permissions import check_team_permissions
from django_stripe_gateway.conf.api import SELLERS_ACTIONS, SUBSCRIPTION_ACTIONS
from tests.test_checks.running import run

ONLY = ["rest_framework.permissions.IsAdminUser"]
ALL = dict.fromkeys(SUBSCRIPTION_ACTIONS, ONLY)


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({}, ["W007"]),
        (ALL, []),
        ({"subscribe": ONLY}, ["W007"]),
        # What is open on purpose is named too.
        (ALL | {"apply_discount": []}, []),
        ({"subscribe": []}, ["W007"]),
        # What a team pays once is the user's.
        ({"refund_payment": ONLY}, ["W007"]),
        ({"subscribe": "no list"}, []),
    ],
)
def test_w007__of_teams(named: Any, expected: list[str]) -> None:
    # Any model that is not the user's stands for a team here.
    with override_settings(STRIPE_GATEWAY_ACTION_PERMISSIONS=named, STRIPE_GATEWAY_OWNER_MODEL="auth.Group"):
        assert run(check_team_permissions) == expected


def test_w007__names_what_is_open() -> None:
    named = {action: ONLY for action in SUBSCRIPTION_ACTIONS if action not in ("pay_invoice", "open_portal")}
    with override_settings(STRIPE_GATEWAY_ACTION_PERMISSIONS=named, STRIPE_GATEWAY_OWNER_MODEL="auth.Group"):
        (found,) = check_team_permissions(None)
    assert found.msg.endswith(": pay_invoice, open_portal.")


def test_w007__what_is_the_sellers_is_open_to_no_member() -> None:
    named = {action: ONLY for action in SUBSCRIPTION_ACTIONS if action not in SELLERS_ACTIONS}
    teams = {"STRIPE_GATEWAY_ACTION_PERMISSIONS": named, "STRIPE_GATEWAY_OWNER_MODEL": "auth.Group"}
    with override_settings(**teams, STRIPE_GATEWAY_CUSTOMER_ACTIONS=["default"]):
        assert run(check_team_permissions) == []
    with override_settings(**teams, STRIPE_GATEWAY_CUSTOMER_ACTIONS=["default", "pause_subscription"]):
        (found,) = check_team_permissions(None)
    assert found.msg.endswith(": pause_subscription.")


def test_w007__a_user_has_no_members() -> None:
    with override_settings(STRIPE_GATEWAY_ACTION_PERMISSIONS={"subscribe": ONLY}):
        assert run(check_team_permissions) == []
