"""Acme Pay passes the suite that is shipped for the authors of gateways; ``test_host.py`` runs this file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from acme_pay.accounts import AcmeAccount
from django.test import SimpleTestCase

from django_stripe_gateway.gateways import (
    BillingGateway,
    Gateway,
    PaymentRef,
    PaymentRequest,
    SubscriptionSnapshot,
    get_billing_gateway,
    get_gateway,
)
from django_stripe_gateway.testing import BillingGatewayConformance, GatewayConformance, PaymentScenario
from tests.third_provider.bank import Bank
from tests.third_provider.bank.server import API_KEY, WEBHOOK_SECRET


class AtTheBank:
    """A bank for each test."""

    bank: Bank
    secrets = (API_KEY, WEBHOOK_SECRET)

    @pytest.fixture(autouse=True)
    def _open(self, bank: Bank) -> None:
        self.bank = bank

    def forget_keys(self) -> None:
        self.bank.forget_keys()


class Payments(AtTheBank, PaymentScenario):
    """How customers pay at the bank."""

    def make_gateway(self) -> Gateway:
        return get_gateway("acme")

    def make_unreachable_gateway(self) -> Gateway:
        return type(self.gateway)(AcmeAccount("acme", "http://127.0.0.1:1", API_KEY, WEBHOOK_SECRET))  # type: ignore[call-arg]

    def approve(self, ref: PaymentRef) -> None:
        self.bank.customer_pays(ref.object_id)

    def decline(self, ref: PaymentRef, request: PaymentRequest) -> PaymentRef:
        self.bank.customer_is_declined(ref.object_id)
        return ref

    def kept_metadata(self, ref: PaymentRef) -> Mapping[str, str]:
        kept: Mapping[str, str] = self.bank.objects[ref.intent_id]["reference"]
        return kept


class TestPayments(Payments, GatewayConformance):
    """With pytest."""


class TestPaymentsWithUnittest(Payments, GatewayConformance, SimpleTestCase):
    """The suite needs no pytest."""


class TestBilling(AtTheBank, BillingGatewayConformance):
    payment_method = "acme_card"
    payment_method_shown = ("card", "acme", "1111")
    failing = "acme_card_empty"
    failing_last4 = "2222"
    declined = "acme_card_stolen"

    def make_gateway(self) -> BillingGateway:
        return get_billing_gateway("acme")

    def pay(self, subscription: SubscriptionSnapshot) -> Any:
        """It has been charged."""

    def delete_customer(self, customer_id: str) -> None:
        self.bank.objects[customer_id]["active"] = False
