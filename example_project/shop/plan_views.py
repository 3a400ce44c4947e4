"""The page of plans, which is also where customers see and cancel what they have."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views import View
from django.views.generic import TemplateView

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models import Invoice
from shop import plans
from shop.till import Outcome
from shop.views import show_error


class PlansView(TemplateView):
    """``GET /plans/``: what is on sale, and what the user has."""

    template_name = "shop/plans.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        """Add the user's subscription and invoices."""
        kwargs["plans"] = plans.offers()
        if self.request.user.is_authenticated:
            kwargs["subscription"] = plans.current_subscription(self.request.user)
            kwargs["invoices"] = Invoice.objects.for_owner(self.request.user).shown()[:12]
        return super().get_context_data(**kwargs)


class PlanActionView(LoginRequiredMixin, View):
    """What the buttons of the page have in common."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Send a customer back who has just logged in to subscribe."""
        return redirect("shop:plans")

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        """Do it, and say what came of it, or go on at Stripe."""
        try:
            outcome = self.perform(request, **kwargs)
        except GatewayError as error:
            show_error(request, error)
            return redirect("shop:plans")
        if outcome.url:
            return redirect(outcome.url)
        messages.success(request, outcome.message)
        return redirect("shop:plans")

    def perform(self, request: HttpRequest, **kwargs: Any) -> Outcome:
        """Make the one call."""
        raise NotImplementedError


class ChooseView(PlanActionView):
    """``POST /plans/choose/<pricing>/``: subscribe, or change to it."""

    def perform(self, request: HttpRequest, **kwargs: Any) -> Outcome:
        """Choose the price."""
        return plans.choose(request, kwargs["pricing_id"])


class SubscriptionActionView(PlanActionView):
    """``POST /plans/<action>/``: cancel, resume, or go to Stripe's page for cards."""

    def perform(self, request: HttpRequest, **kwargs: Any) -> Outcome:
        """Do it to the user's subscription."""
        subscription = plans.current_subscription(request.user)
        action = plans.ACTIONS.get(kwargs["action"])
        if subscription is None or action is None:
            raise Http404
        return action(request, subscription)
