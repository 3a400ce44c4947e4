"""Finding the gateway that a customer named."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from django_stripe_gateway.models import PaymentGatewayConfig

pytestmark = pytest.mark.django_db


def found(name: str) -> list[str]:
    return [config.name for config in PaymentGatewayConfig.objects.active().named(name)]


def test_named__by_name_or_variant() -> None:
    PaymentGatewayConfig.objects.create(name="Kroner", variant="stripe-dk")
    assert found("Kroner") == found("KRONER") == found("stripe-dk") == ["Kroner"]
    assert found("") == found("unknown") == []


def test_named__the_name_comes_before_the_variant() -> None:
    PaymentGatewayConfig.objects.all().delete()
    PaymentGatewayConfig.objects.create(name="Cards", variant="stripe", is_default=True)
    PaymentGatewayConfig.objects.create(name="stripe", variant="stripe-eu")
    assert found("stripe") == ["stripe", "Cards"]
    assert found("STRIPE")[0] == "stripe"


def test_named__of_several_with_the_variant_the_default() -> None:
    PaymentGatewayConfig.objects.all().delete()
    PaymentGatewayConfig.objects.create(name="A", variant="cards")
    PaymentGatewayConfig.objects.create(name="B", variant="cards", is_default=True)
    assert found("cards") == ["B", "A"]


def test_named__the_exact_name_first() -> None:
    if connection.vendor == "mysql":
        pytest.skip("names that differ in case alone are one name to this collation")
    PaymentGatewayConfig.objects.all().delete()
    for name in ("CARDS", "cards", "Cards"):
        PaymentGatewayConfig.objects.create(name=name, variant="stripe")
    for name in ("CARDS", "cards", "Cards"):
        assert found(name)[0] == name


def test_inactive__is_not_found() -> None:
    PaymentGatewayConfig.objects.update(is_active=False)
    assert found("Stripe") == []


def test_names__are_unique() -> None:
    assert str(PaymentGatewayConfig.objects.get()) == "Stripe"
    with pytest.raises(IntegrityError), transaction.atomic():
        PaymentGatewayConfig.objects.create(name="Stripe", variant="other")
