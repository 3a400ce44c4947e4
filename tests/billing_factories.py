"""Rows of the catalogue and of what customers have subscribed to, as the tests need them."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.utils import timezone

from django_stripe_gateway.choices import SubscriptionItemKind
from django_stripe_gateway.models import Customer, Plan, PlanPricing, Subscription, SubscriptionItem

_numbers = itertools.count(1)


def make_plan(slug: str = "", **fields: Any) -> Plan:
    slug = slug or f"plan-{next(_numbers)}"
    return Plan.objects.create(**{"slug": slug, "name": slug.title()} | fields)


def make_pricing(plan: Plan | None = None, **fields: Any) -> PlanPricing:
    number = next(_numbers)
    values = {"amount": Decimal("20.00"), "currency": "USD", "stripe_price_id": f"price_{number}"} | fields
    return PlanPricing.objects.create(plan=plan or make_plan(), **values)


def make_customer(owner: Any = None, **fields: Any) -> Customer:
    number = next(_numbers)
    if owner is None:
        owner = get_user_model().objects.create_user(f"customer-{number}")
    return Customer.objects.create(**{"owner": owner, "variant": "stripe", "provider_id": f"cus_{number}"} | fields)


def make_subscription(customer: Customer | None = None, **fields: Any) -> Subscription:
    pricing = fields.pop("pricing", None) or make_pricing()
    values = {
        "customer": customer or make_customer(),
        "plan": pricing.plan,
        "pricing": pricing,
        "variant": "stripe",
        "provider_id": f"sub_{next(_numbers)}",
        "status": "active",
        "price_id": pricing.stripe_price_id or "",
        "first_paid_at": timezone.now() - timedelta(days=60),
        "current_period_start": timezone.now(),
        "current_period_end": timezone.now() + timedelta(days=30),
    }
    return Subscription.objects.create(**values | fields)


def make_item(subscription: Subscription, plan: Plan | None, **fields: Any) -> SubscriptionItem:
    """Return a further item of a subscription: an add-on, a second plan, a metered price."""
    kind = SubscriptionItemKind.ADD_ON if plan is not None and plan.is_add_on else SubscriptionItemKind.PLAN
    values = {"provider_id": f"si_{next(_numbers)}", "kind": kind, "amount": Decimal("5.00"), "interval": "month"}
    return SubscriptionItem.objects.create(**{"subscription": subscription, "plan": plan} | values | fields)
