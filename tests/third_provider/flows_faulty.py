"""The suite finds what is wrong with a gateway: each fault, put into Acme Pay's, fails one of its tests at least."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import requests
from acme_pay.accounts import acme_account
from acme_pay.billing import AcmeBillingGateway
from acme_pay.payments import AcmeGateway

from django_stripe_gateway.exceptions import (
    ProviderError,
    ProviderStateError,
    ProviderUnavailable,
    UnsupportedByGateway,
)
from tests.third_provider import flows_conformance
from tests.third_provider.bank import Bank

replace = dataclasses.replace


class NewKeys(AcmeGateway):
    def create_payment(self, request: Any, *, idempotency_key: str) -> Any:
        return super().create_payment(request, idempotency_key="")


class RefundsTwice(AcmeGateway):
    def refund_payment(self, ref: Any, amount: Any, *, idempotency_key: str, **fields: Any) -> Any:
        return super().refund_payment(ref, amount / 2, idempotency_key="", **fields)


class ForgetsOperations(AcmeGateway):
    def list_refunds(self, ref: Any) -> Any:
        return [replace(refund, metadata={}) for refund in super().list_refunds(ref)]


class ListsNoRefunds(AcmeGateway):
    def list_refunds(self, ref: Any) -> Any:
        return []


class CapturesAll(AcmeGateway):
    def capture_payment(self, ref: Any, amount: Any, *, idempotency_key: str) -> Any:
        amount = self.retrieve_payment(ref).amount if amount < 10 else amount
        return super().capture_payment(ref, amount, idempotency_key=idempotency_key)


class ClaimsTooMuch(AcmeGateway):
    supports_partial_capture = True


class ConfirmsNothing(AcmeGateway):
    def confirm_payment(self, ref: Any, request: Any, *, idempotency_key: str) -> Any:
        return self.retrieve_payment(ref)


class WrongErrors(AcmeGateway):
    def cancel_payment(self, ref: Any, *, idempotency_key: str) -> Any:
        try:
            return super().cancel_payment(ref, idempotency_key=idempotency_key)
        except ProviderStateError as error:
            raise ProviderError(error.detail) from None


class ForeignErrors(AcmeGateway):
    def retrieve_payment(self, ref: Any) -> Any:
        try:
            return super().retrieve_payment(ref)
        except ProviderUnavailable:
            raise requests.ConnectionError from None


class RefusesWhenUnreachable(AcmeGateway):
    def create_payment(self, request: Any, *, idempotency_key: str) -> Any:
        try:
            return super().create_payment(request, idempotency_key=idempotency_key)
        except ProviderUnavailable as error:
            raise ProviderError(error.detail) from None


class Inexact(AcmeGateway):
    def create_payment(self, request: Any, *, idempotency_key: str) -> Any:
        made = super().create_payment(request, idempotency_key=idempotency_key)
        return replace(made, amount=float(made.amount or 0))


class RecordsObjects(AcmeGateway):
    def retrieve_payment(self, ref: Any) -> Any:
        found = super().retrieve_payment(ref)
        return replace(found, raw={**found.raw, "amount": found.amount})


class ShowsItsKey(AcmeGateway):
    def __repr__(self) -> str:
        return f"<Acme {self.account.key}>"


class TakesTooEarly(AcmeGateway):
    def create_payment(self, request: Any, *, idempotency_key: str) -> Any:
        return super().create_payment(replace(request, manual_capture=False), idempotency_key=idempotency_key)


class LosesMetadata(AcmeGateway):
    def create_payment(self, request: Any, *, idempotency_key: str) -> Any:
        return super().create_payment(replace(request, metadata={}), idempotency_key=idempotency_key)


class SubscribesTwice(AcmeBillingGateway):
    def create_subscription(self, request: Any, *, idempotency_key: str) -> Any:
        return super().create_subscription(request, idempotency_key="")


class SubscribesNamelessly(AcmeBillingGateway):
    def create_subscription(self, request: Any, *, idempotency_key: str) -> Any:
        return super().create_subscription(replace(request, metadata={}), idempotency_key=idempotency_key)


class PausesSilently(AcmeBillingGateway):
    def pause_subscription(self, subscription_id: str, **fields: Any) -> Any:
        return self.retrieve_subscription(subscription_id)


class CancelsSoftly(AcmeBillingGateway):
    def cancel_subscription(self, subscription_id: str, *, idempotency_key: str) -> Any:
        return self.retrieve_subscription(subscription_id)


class FindsNoCode(AcmeBillingGateway):
    def find_promotion_code(self, code: str) -> Any:
        return None


def failures(suite: Any, gateway: Any, bank: Bank) -> list[str]:
    """Return the names of the suite's tests that a gateway fails."""
    found = []
    for name in sorted(name for name in dir(suite) if name.startswith("test_")):
        run = type("Run", (suite,), {"make_gateway": lambda self: gateway(acme_account("acme"))})()
        run.bank = bank
        try:
            getattr(run, name)()
        except (AssertionError, ProviderError, UnsupportedByGateway, requests.ConnectionError, TypeError):
            found.append(name)
    return found


@pytest.mark.parametrize("gateway", AcmeGateway.__subclasses__(), ids=lambda gateway: gateway.__name__)
def test_payments(bank: Bank, gateway: Any) -> None:
    assert failures(flows_conformance.TestPayments, gateway, bank) != []


@pytest.mark.parametrize("gateway", AcmeBillingGateway.__subclasses__(), ids=lambda gateway: gateway.__name__)
def test_billing(bank: Bank, gateway: Any) -> None:
    assert failures(flows_conformance.TestBilling, gateway, bank) != []


def test_sound(bank: Bank) -> None:
    assert (
        failures(flows_conformance.TestPayments, AcmeGateway, bank)
        == failures(flows_conformance.TestBilling, AcmeBillingGateway, bank)
        == []
    )
