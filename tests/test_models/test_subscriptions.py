"""Subscriptions, customers, plans and invoices: predicates agree with querysets, and what is unique."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.utils import timezone

from django_stripe_gateway.choices import SubscriptionStatus
from django_stripe_gateway.models import Customer, Invoice, Plan, PlanLimit, Subscription, SubscriptionLog
from django_stripe_gateway.models.logs import AppendOnlyError
from django_stripe_gateway.transitions import ALLOWED_SUBSCRIPTION_TRANSITIONS, can_transition_subscription
from tests.billing_factories import make_customer, make_plan, make_pricing, make_subscription

pytestmark = pytest.mark.django_db

# Predicate of a subscription → the queryset's filter.
PREDICATES = {
    "is_valid": "valid",
    "on_trial": "on_trial",
    "on_grace_period": "on_grace_period",
    "is_recurring": "recurring",
    "has_ended": "has_ended",
    "has_incomplete_payment": "has_incomplete_payment",
    "is_past_due": "past_due",
    "is_paused": "paused",
}


def variety() -> None:
    """Store subscriptions of every kind that the predicates distinguish."""
    customer, pricing, now = make_customer(), make_pricing(), timezone.now()
    since = (None, now - timedelta(days=3), now - timedelta(days=30))
    period_end, day = now + timedelta(days=30), timedelta(days=1)
    dates = (now, now - day, now + day, period_end, period_end + day)
    ends = (
        {},
        {"cancel_at_period_end": True},
        {"cancel_at": now, "current_period_end": None},
        {"current_period_end": None},
        *({"cancel_at": date} for date in dates),
    )
    paid = (None, now)
    pauses = itertools.cycle(
        {"was_paused": was_paused, "paid_until": until, "trial_end": trial_end}
        for was_paused in (False, True)
        for until in (None, now - day, now + day)
        for trial_end in (None, now - day, now + day)
    )
    for status, past_due_since, end, first_paid_at in itertools.product(SubscriptionStatus, since, ends, paid):
        values = {"current_period_end": period_end, "pause_behavior": "void" if first_paid_at is None else "", **end}
        make_subscription(
            customer,
            pricing=pricing,
            status=status,
            past_due_since=past_due_since,
            first_paid_at=first_paid_at,
            **next(pauses),
            **values,
        )


@pytest.mark.parametrize("paused_is_valid", [False, True])
@pytest.mark.parametrize("grace", [None, 0, 7])
def test_predicates__agree_with_filters(settings: Any, grace: int | None, paused_is_valid: bool) -> None:
    settings.STRIPE_GATEWAY_PAUSED_IS_VALID = paused_is_valid
    settings.STRIPE_GATEWAY_PAST_DUE_GRACE_DAYS = grace
    variety()
    rows = list(Subscription.objects.all())
    for predicate, name in PREDICATES.items():
        expected = {row.pk for row in rows if getattr(row, predicate)}
        assert set(getattr(Subscription.objects, name)().values_list("pk", flat=True)) == expected, predicate
        assert 0 < len(expected) < len(rows), predicate
    assert set(Subscription.objects.not_ended()) == {row for row in rows if not row.has_ended}
    assert all(row.is_cancelled for row in rows if row.on_grace_period or row.has_ended)
    assert all(row.is_valid == (row.on_grace_period or row.is_recurring) for row in rows)


def test_valid__past_due(settings: Any) -> None:
    late = make_subscription(status="past_due", past_due_since=timezone.now() - timedelta(days=6))
    assert late.is_valid
    settings.STRIPE_GATEWAY_PAST_DUE_GRACE_DAYS = 5
    assert not late.is_valid
    settings.STRIPE_GATEWAY_PAST_DUE_GRACE_DAYS = None
    assert late.is_valid


@pytest.mark.parametrize(("days", "is_recurring"), [(-1, False), (10, False), (30, False), (31, True), (300, True)])
def test_grace__begins_in_the_last_period(days: int, is_recurring: bool) -> None:
    now = timezone.now()
    subscription = make_subscription(current_period_end=now + timedelta(days=30), cancel_at=now + timedelta(days=days))
    assert (subscription.is_recurring, subscription.on_grace_period) == (is_recurring, not is_recurring)
    assert subscription.is_cancelled is not is_recurring


@pytest.mark.parametrize("grace", [None, 7])
def test_grace__for_payers_only(settings: Any, grace: int | None) -> None:
    settings.STRIPE_GATEWAY_PAST_DUE_GRACE_DAYS = grace
    subscription = make_subscription(status="past_due", past_due_since=timezone.now(), first_paid_at=None)
    assert not subscription.is_valid
    subscription.first_paid_at = timezone.now()
    assert subscription.is_valid


def test_for_owner() -> None:
    user = get_user_model().objects.create_user("grace")
    mine = make_subscription(make_customer(user))
    make_subscription()
    assert list(Subscription.objects.for_owner(user)) == [mine]
    assert list(Customer.objects.for_owner(user)) == [mine.customer]


def test_transitions() -> None:
    statuses = set(SubscriptionStatus)
    assert set(ALLOWED_SUBSCRIPTION_TRANSITIONS) == statuses
    for current, target in itertools.product(statuses, statuses):
        ended = current in ("canceled", "incomplete_expired")
        begins = target in ("starting", "incomplete") and current != "starting"
        unpaid = target == "incomplete_expired" and current not in ("starting", "incomplete")
        allowed = not (current == target or ended or begins or unpaid or target == "starting")
        assert can_transition_subscription(current, target) == allowed, (current, target)


def test_unique() -> None:
    customer = make_customer()
    pricing = make_pricing()
    subscription = make_subscription(customer, pricing=pricing)
    PlanLimit.objects.create(plan=pricing.plan, metric="minutes", limit=5)
    for make in (
        lambda: make_customer(customer.owner),
        lambda: make_customer(provider_id=customer.provider_id),
        lambda: make_pricing(stripe_price_id=pricing.stripe_price_id),
        lambda: make_pricing(interval_count=0),
        lambda: make_pricing(amount=Decimal(-1)),
        lambda: make_subscription(customer, pricing=pricing, provider_id=subscription.provider_id),
        lambda: PlanLimit.objects.create(plan=pricing.plan, metric="minutes"),
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            make()
    # Each account of the provider has its own ids, and rows that have none yet do not meet.
    make_customer(customer.owner, variant="eu", provider_id=customer.provider_id)
    make_pricing(variant="eu", stripe_price_id=pricing.stripe_price_id)
    for _again in range(2):
        make_customer(provider_id=None)
        make_pricing(stripe_price_id=None)
        make_subscription(customer, pricing=pricing, provider_id=None)


def test_owner_is_deleted__records_stay(settings: Any) -> None:
    settings.STRIPE_GATEWAY_DELETED_OWNERS = "keep"
    customer = make_customer()
    subscription = make_subscription(customer)
    customer.owner.delete()
    subscription.refresh_from_db()
    assert subscription.customer.owner is None


def test_log__append_only() -> None:
    log = SubscriptionLog.objects.create(subscription=make_subscription(), event="created", message="Premium")
    assert str(log) == "created: Premium"
    with pytest.raises(AppendOnlyError):
        log.save()
    with pytest.raises(AppendOnlyError):
        SubscriptionLog.objects.all().delete()


def test_default_plan() -> None:
    make_plan()
    make_plan("old", is_default=True, is_active=False)
    assert Plan.objects.default() is None
    free = make_plan("free", is_default=True)
    assert Plan.objects.default() == free
    assert list(Plan.objects.active().order_by("pk"))[-1] == free


def test_text() -> None:
    plan = make_plan("premium", name="Premium")
    assert str(plan) == "Premium"
    assert str(make_pricing(plan)) == "20.00 USD / month"
    assert str(make_pricing(plan, currency="JPY", amount=Decimal(500), interval_count=3)) == "500 JPY / 3 months"
    assert str(PlanLimit(metric="minutes", limit=180)) == "minutes: 180 / day"
    assert str(PlanLimit(metric="minutes")) == "minutes: ∞ / day"
    subscription = make_subscription(provider_id=None)
    assert str(subscription) == f"subscription {subscription.pk} (active)"
    assert str(make_customer(provider_id=None)).startswith("customer ")
    invoice = Invoice(provider_id="in_1", currency="EUR", total=Decimal("-3.5"), status="paid")
    assert (str(invoice), invoice.is_paid, invoice.is_open) == ("in_1: -3.50 EUR (paid)", True, False)
