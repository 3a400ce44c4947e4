"""Payments that stand at the fake Stripe in the states that staff meet."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from payments import get_payment_model

from django_stripe_gateway.models import PaymentGatewayConfig
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from tests.factories import make_user
from tests.fake_stripe import FakeStripe
from tests.test_admin.pages import model_name

PaymentMaker = Callable[..., Any]


@pytest.fixture
def waiting_payment(stripe_server: FakeStripe, transactional_db: None) -> PaymentMaker:
    """Return a function that makes a payment whose Checkout Session is open."""
    PaymentGatewayConfig.objects.get_or_create(name="Stripe", defaults={"variant": "stripe"})

    def make(amount: str = "10.00", **fields: Any) -> Any:
        return create_payment(owner=None, gateway="Stripe", amount=Decimal(amount), currency="USD", **fields)

    return make


@pytest.fixture
def paid_payment(waiting_payment: PaymentMaker, stripe_server: FakeStripe) -> PaymentMaker:
    """Return a function that makes a payment whose customer has paid."""

    def make(amount: str = "10.00", **fields: Any) -> Any:
        payment = waiting_payment(amount, **fields)
        stripe_server.complete_checkout(payment.transaction_id)
        return sync_payment(payment=payment)

    return make


@pytest.fixture
def authorized_payment(paid_payment: PaymentMaker) -> PaymentMaker:
    """Return a function that makes a payment that waits for its capture."""

    def make(amount: str = "10.00", **fields: Any) -> Any:
        return paid_payment(amount, capture_method="manual", **fields)

    return make


@pytest.fixture
def staff_client(db: None) -> Callable[..., Client]:
    """Return a function that logs a member of staff in who has the named permissions ("change_payment")."""

    def login(*codenames: str) -> Client:
        user = make_user(is_staff=True, password="pw")
        user.user_permissions.set(find_permission(name) for name in codenames)
        client = Client()
        client.force_login(user)
        return client

    return login


def find_permission(codename: str) -> Permission:
    """Return a permission; a host's payment model has those that Django makes for each model, the rest is ours."""
    if codename in ("view_payment", "change_payment"):
        label, codename = get_payment_model()._meta.app_label, codename.replace("_payment", f"_{model_name()}")
    else:
        label = "django_stripe_gateway"
    return Permission.objects.get(content_type__app_label=label, codename=codename)
