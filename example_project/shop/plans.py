"""How the shop sells plans: the calls into django-stripe-gateway, apart from the pages."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest
from django.urls import reverse

from django_stripe_gateway.models import Plan, PlanPricing, Subscription
from django_stripe_gateway.subscriptions import (
    cancel_subscription,
    change_subscription,
    portal_url,
    resume_subscription,
    subscribe,
    subscriptions_for,
)
from shop.checkout import customer
from shop.till import Outcome


def offers() -> QuerySet[Plan]:
    """Return the plans on sale, with their prices (as ``sold``) and limits."""
    sold = PlanPricing.objects.active().exclude(stripe_price_id=None)
    return Plan.objects.active().prefetch_related(Prefetch("pricing", sold, to_attr="sold"), "limits")


def current_subscription(user: Any) -> Subscription | None:
    """Return the subscription that the page is about: the shop sells one to each customer."""
    return subscriptions_for(user).not_ended().select_related("customer", "plan", "pricing").first()


def choose(request: HttpRequest, pricing_id: int) -> Outcome:
    """Subscribe, or change to another price; Stripe's page asks for the card of a first subscription."""
    pricing = PlanPricing.objects.active().select_related("plan").filter(pk=pricing_id).first()
    if pricing is None:
        raise Http404
    current = current_subscription(request.user)
    if current is not None and current.is_valid:
        change_subscription(subscription=current, pricing=pricing, origin=customer(request))
        return Outcome(f"You have changed to {pricing.plan}.")
    page = request.build_absolute_uri(reverse("shop:plans"))
    # localstripe has no page, and charges a test card at once; nothing free needs a card.
    is_direct = settings.USE_LOCALSTRIPE or pricing.is_free
    made = subscribe(
        owner=request.user,
        plan=pricing.plan,
        pricing=pricing,
        mode="direct" if is_direct else "checkout",
        success_url=page,
        cancel_url=page,
        origin=customer(request),
    )
    return Outcome(url=made.gateway_url) if made.gateway_url else Outcome(f"Welcome to {pricing.plan}.")


def cancel(request: HttpRequest, subscription: Subscription) -> Outcome:
    """Let the subscription end with its period."""
    cancel_subscription(subscription=subscription, origin=customer(request))
    return Outcome("Cancelled. You keep your plan until the end of what you have paid for.")


def resume(request: HttpRequest, subscription: Subscription) -> Outcome:
    """Take back the cancellation."""
    resume_subscription(subscription=subscription, origin=customer(request))
    return Outcome("Good to have you back. Your plan goes on.")


def manage(request: HttpRequest, subscription: Subscription) -> Outcome:
    """Go to Stripe's page for cards and invoices; localstripe has none."""
    page = request.build_absolute_uri(reverse("shop:plans"))
    return Outcome(url=portal_url(customer=subscription.customer, return_url=page, origin=customer(request)))


ACTIONS = {"cancel": cancel, "resume": resume, "manage": manage}
