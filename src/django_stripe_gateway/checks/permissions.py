"""Who of an owner's people may change what the owner is billed for."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage

from django_stripe_gateway.checks.messages import warning
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.conf.api import SUBSCRIPTION_ACTIONS

NEEDED = frozenset(
    {"STRIPE_GATEWAY_ACTION_PERMISSIONS", "STRIPE_GATEWAY_CUSTOMER_ACTIONS", "STRIPE_GATEWAY_OWNER_MODEL"}
)


def check_team_permissions(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn where actions of a team's are open to every member, and nobody has said so.

    An action that is named with an empty list is open on purpose, one that is the seller's is open to no member. A host
    that bills its users has no members.
    """
    if NEEDED & wrong_settings() or gateway_settings.owner_model.lower() == settings.AUTH_USER_MODEL.lower():
        return []
    named = gateway_settings.action_permissions
    open_to_customers = gateway_settings.customer_actions
    left = [action for action in SUBSCRIPTION_ACTIONS if action in open_to_customers and action not in named]
    if not left:
        return []
    message = f"STRIPE_GATEWAY_ACTION_PERMISSIONS leaves actions to every member of a team: {', '.join(left)}."
    return [warning("007", message, "Name them there too; with an empty list where every member may do it.")]
