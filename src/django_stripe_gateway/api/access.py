"""Who may do what: customers by the setting, the seller's people by Django's permissions.

Customers act on what is their own, staff on anybody's; what is out of somebody's reach does not exist for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Model
from django.utils.translation import gettext as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS
from rest_framework.request import Request

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.conf.permissions import PERMISSIONS

# What begins something, or is about cards, is done for oneself.
FOR_ONESELF = (
    "subscribe",
    "add_payment_method",
    "set_default_payment_method",
    "remove_payment_method",
    "open_portal",
)
#: Field of a body → the action that asking for it is.
FIELDS: Mapping[str, str] = {
    "capture_method": "capture_method",
    "proration": "proration",
    "proration_date": "proration",
    "cancel_at": "cancel_at",
    "refund_unused": "refund_unused",
    # Of a credit note: money that moves is a refund, whatever brings it about.
    "refund_amount": "refund_invoice",
}


def is_customers(action: str) -> bool:
    """Return whether customers may do ``action`` to what is their own."""
    return action in gateway_settings.customer_actions


def is_sellers(user: Any, action: str) -> bool:
    """Return whether ``user`` is one of the seller's people who may do ``action`` to anybody's."""
    return action in PERMISSIONS and has_permission(user, PERMISSIONS[action])


def may_view(user: Any, model: type[Model]) -> bool:
    """Return whether ``user`` is one of the seller's people who may see everybody's objects of a model."""
    meta = model._meta
    return has_permission(user, f"{meta.app_label}.view_{meta.model_name}")


def has_permission(user: Any, permission: str) -> bool:
    """Return whether a user has one of Django's permissions; users that are no rows have none."""
    has_perm = getattr(user, "has_perm", None)
    return has_perm is not None and bool(has_perm(permission))


def may(user: Any, action: str) -> bool:
    """Return whether ``user`` may do ``action`` to what is their own."""
    return is_customers(action) or is_sellers(user, action)


def reaches_others(request: Request, action: str, model: type[Model]) -> bool:
    """Return whether other people's objects of a model exist for whom a request comes from.

    Args:
        action: what the request does to them, unless it only reads.
    """
    if request.method in SAFE_METHODS:
        return may_view(request.user, model)
    return action not in FOR_ONESELF and is_sellers(request.user, action)


def check_may(request: Request, action: str) -> None:
    """Refuse what is the seller's. Reading is no action, also where it has the address of one.

    Raises:
        PermissionDenied: who asks may not do ``action``, not even to what is their own.
    """
    if request.method not in SAFE_METHODS and not may(request.user, action):
        raise PermissionDenied(_("Only the seller may do this."), code="not_allowed")


def check_fields(request: Request) -> None:
    """Refuse a body that asks for what is the seller's to decide.

    Raises:
        PermissionDenied: who asks may not.
    """
    body = request.data
    if not isinstance(body, Mapping):
        return
    for field, action in FIELDS.items():
        if field in body and not may(request.user, action):
            raise PermissionDenied(_("Only the seller decides about “%s”.") % field, code="not_allowed")
