"""The page that shows what a plan allows, and a button that uses some of it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.generic import TemplateView

from django_stripe_gateway import usage
from django_stripe_gateway.exceptions import GatewayError

METRIC = "minutes"
MINUTES = 25


class UsageView(LoginRequiredMixin, TemplateView):
    """``GET /usage/``: a meter for each limit. ``POST /usage/``: record a call of some minutes."""

    template_name = "shop/usage.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the limits as they stand now."""
        entitlements = usage.limits(self.request.user)
        return super().get_context_data(
            plan=entitlements.plan,
            allowances=list(entitlements),
            can_call=METRIC in entitlements.allowances,
            minutes=MINUTES,
            **kwargs,
        )

    def post(self, request: HttpRequest) -> HttpResponse:
        """Use minutes, and show the meter that has moved."""
        try:
            usage.consume(request.user, METRIC, MINUTES)
        except GatewayError as error:
            messages.error(request, error.detail)
        else:
            messages.success(request, f"You have talked for {MINUTES} minutes.")
        return redirect("shop:usage")
