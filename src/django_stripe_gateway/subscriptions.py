"""What a host asks about subscriptions, and how it keeps pages for those who have one.

>>> from django_stripe_gateway.subscriptions import active_plan, has_plan
>>> has_plan(user, "premium")  # doctest: +SKIP
True
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission, OperationHolderMixin
from rest_framework.request import Request
from rest_framework.views import APIView

from django_stripe_gateway.api.owners import request_owner
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription, preview_change
from django_stripe_gateway.services.subscriptions.customers import ensure_customer, update_customer
from django_stripe_gateway.services.subscriptions.pause import pause_subscription
from django_stripe_gateway.services.subscriptions.plan_access import active_plan, has_plan, subscriptions_for
from django_stripe_gateway.services.subscriptions.resume import resume_subscription
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from django_stripe_gateway.services.subscriptions.unpause import unpause_subscription

__all__ = [
    "HasActivePlan",
    "active_plan",
    "cancel_subscription",
    "change_subscription",
    "ensure_customer",
    "has_plan",
    "pause_subscription",
    "plan_required",
    "preview_change",
    "resume_subscription",
    "subscribe",
    "subscriptions_for",
    "unpause_subscription",
    "update_customer",
]

View = Callable[..., HttpResponseBase]


class HasActivePlan(OperationHolderMixin, BasePermission):
    """Let in whoever has one of some plans; written with their keys, as ``HasActivePlan("premium")``.

    Without keys any subscription that is valid will do. Combines with other permissions by ``&``, ``|`` and ``~``.
    """

    message = _("This needs another plan.")
    code = "plan_required"

    def __init__(self, *slugs: str) -> None:
        self.slugs = slugs

    def __call__(self) -> HasActivePlan:
        """Return itself: DRF calls what stands in ``permission_classes``."""
        return self

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the request's owner has one of the plans."""
        try:
            owner = request_owner(request)
        except NotAuthenticated:
            return False
        return has_plan(owner, *self.slugs)


def plan_required(*slugs: str, redirect_to: str = "") -> Callable[[View], View]:
    """Keep a view for owners who have one of some plans; others are sent to ``redirect_to``, or get 403.

    Args:
        slugs: keys of plans; without any, every valid subscription will do.
        redirect_to: address, path or name of a view, such as your page of prices.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                owner = request_owner(request)
            except NotAuthenticated:
                return redirect_to_login(request.get_full_path())
            if has_plan(owner, *slugs):
                return view(request, *args, **kwargs)
            if redirect_to:
                return HttpResponseRedirect(resolve_url(redirect_to))
            raise PermissionDenied

        return guarded

    return decorate
