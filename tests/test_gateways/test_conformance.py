from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.choices import RefundStatus
from django_stripe_gateway.exceptions import ProviderError, ProviderStateError, ProviderUnavailable
from django_stripe_gateway.gateways.values import PaymentRef, ProviderStatus
from tests.test_gateways.accounts import make_request, ref_of
from tests.test_gateways.conformance import (
    TEN,
    CheckoutProvider,
    IntentProvider,
    LocalstripeProvider,
    Provider,
    assert_plain,
)

FAKES = {"checkout": CheckoutProvider, "intent": IntentProvider}


@pytest.fixture(
    params=[
        "checkout-current",
        "checkout-legacy",
        "intent-current",
        "intent-legacy",
        pytest.param("localstripe", marks=pytest.mark.localstripe),
    ]
)
def provider(request: Any, settings: Any) -> Iterator[Provider]:
    if request.param == "localstripe":
        request.getfixturevalue("localstripe")
        yield LocalstripeProvider()
        return
    flow, generation = request.param.split("-")
    fake = request.getfixturevalue("stripe_server")
    settings.PAYMENT_VARIANTS = {"stripe": ("django_stripe_gateway.providers.StripeProvider", {"flow": flow})}
    provider = FAKES[flow](fake, generation)
    yield provider
    provider.check()


def test_create(provider: Provider) -> None:
    snapshot = provider.create()
    assert snapshot.status == ProviderStatus.OPEN
    assert snapshot.object_id
    assert (snapshot.amount, snapshot.currency) == (TEN, "USD")
    assert snapshot.amount_received is None
    assert snapshot.livemode is provider.gateway.livemode is False
    assert bool(snapshot.redirect_url) is provider.gateway.supports_redirect
    assert bool(snapshot.client_secret) is provider.gateway.supports_confirm
    assert_plain(snapshot)


def test_create__metadata_on_what_holds_the_money(provider: Provider) -> None:
    ref = provider.paid()
    intent = provider.gateway.retrieve_payment(PaymentRef(ref.intent_id, ref.intent_id, "USD"))
    assert intent.raw["metadata"] == {"payment_id": "7", "token": "token-of-the-payment"}


def test_create__charges_nobody(provider: Provider) -> None:
    ref = ref_of(provider.create())
    assert provider.gateway.retrieve_payment(ref).status == ProviderStatus.OPEN


def test_retrieve__what_was_created(provider: Provider) -> None:
    created = provider.create()
    found = provider.gateway.retrieve_payment(ref_of(created))
    assert (found.object_id, found.intent_id, found.amount) == (created.object_id, created.intent_id, TEN)
    assert found.kind == created.kind
    assert_plain(found)


def test_paid(provider: Provider) -> None:
    snapshot = provider.gateway.retrieve_payment(provider.paid())
    assert snapshot.intent_id.startswith("pi_")
    assert (snapshot.amount, snapshot.amount_received) == (TEN, TEN)
    assert snapshot.failure is None
    assert_plain(snapshot)


def test_declined__can_be_paid_afterwards(provider: Provider) -> None:
    ref = provider.decline(ref_of(provider.create()))
    snapshot = provider.gateway.retrieve_payment(ref)
    if provider.gateway.supports_redirect:
        assert snapshot.status == ProviderStatus.OPEN
    else:
        assert snapshot.status == ProviderStatus.FAILED
    assert snapshot.failure is not None
    assert snapshot.failure.code == "card_declined"
    assert_plain(snapshot)
    paid = provider.gateway.retrieve_payment(provider.pay(ref))
    assert paid.status == ProviderStatus.SUCCEEDED


def test_capture__whole(provider: Provider) -> None:
    ref = provider.paid(manual=True)
    assert provider.gateway.retrieve_payment(ref).amount_received in (None, Decimal(0))
    snapshot = provider.gateway.capture_payment(ref, TEN, idempotency_key=provider.key())
    assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.SUCCEEDED, TEN)
    assert_plain(snapshot)


def test_capture__part(provider: Provider) -> None:
    ref = provider.paid(manual=True)
    snapshot = provider.gateway.capture_payment(ref, Decimal("4.00"), idempotency_key=provider.key())
    assert (snapshot.status, snapshot.amount_received) == (ProviderStatus.SUCCEEDED, Decimal("4.00"))
    again = provider.gateway.retrieve_payment(ref)
    assert (again.status, again.amount_received) == (ProviderStatus.SUCCEEDED, Decimal("4.00"))
    # What was released is no refund.
    assert provider.gateway.list_refunds(ref) == []


def test_capture__more_than_authorised(provider: Provider) -> None:
    ref = provider.paid(manual=True)
    with pytest.raises(ProviderStateError):
        provider.gateway.capture_payment(ref, Decimal("10.01"), idempotency_key=provider.key())


def test_capture__twice(provider: Provider) -> None:
    ref = provider.paid(manual=True)
    provider.gateway.capture_payment(ref, TEN, idempotency_key=provider.key())
    with pytest.raises(ProviderStateError):
        provider.gateway.capture_payment(ref, TEN, idempotency_key=provider.key())


def test_capture__ids_of_the_session_only(provider: Provider) -> None:
    ref = provider.paid(manual=True)
    snapshot = provider.gateway.capture_payment(
        PaymentRef(ref.object_id, "", "USD"), TEN, idempotency_key=provider.key()
    )
    assert snapshot.status == ProviderStatus.SUCCEEDED


def test_cancel__unpaid(provider: Provider) -> None:
    ref = ref_of(provider.create())
    snapshot = provider.gateway.cancel_payment(ref, idempotency_key=provider.key())
    assert snapshot.status in (ProviderStatus.CANCELED, ProviderStatus.REJECTED)
    assert provider.gateway.retrieve_payment(ref).status == snapshot.status
    assert_plain(snapshot)


def test_cancel__after_a_decline(provider: Provider) -> None:
    ref = provider.decline(ref_of(provider.create()))
    # By now the intent's id is known, also that of a session that is still open.
    ref = ref_of(provider.gateway.retrieve_payment(ref))
    assert ref.intent_id
    snapshot = provider.gateway.cancel_payment(ref, idempotency_key=provider.key())
    assert snapshot.status in (ProviderStatus.CANCELED, ProviderStatus.REJECTED)
    assert provider.gateway.retrieve_payment(ref).status in (ProviderStatus.CANCELED, ProviderStatus.REJECTED)


def test_cancel__authorised(provider: Provider) -> None:
    ref = provider.paid(manual=True)
    snapshot = provider.gateway.cancel_payment(ref, idempotency_key=provider.key())
    assert snapshot.status == ProviderStatus.CANCELED
    if isinstance(provider, LocalstripeProvider):
        return  # which captures what was cancelled
    with pytest.raises(ProviderStateError):
        provider.gateway.capture_payment(ref, TEN, idempotency_key=provider.key())


@pytest.mark.parametrize("known", ["intent", "session only"])
def test_cancel__paid(provider: Provider, known: str) -> None:
    ref = provider.paid()
    ref = ref if known == "intent" else PaymentRef(ref.object_id, "", "USD")
    with pytest.raises(ProviderStateError):
        provider.gateway.cancel_payment(ref, idempotency_key=provider.key())
    assert provider.gateway.retrieve_payment(ref).status == ProviderStatus.SUCCEEDED


def test_cancel__twice(provider: Provider) -> None:
    ref = ref_of(provider.create())
    provider.gateway.cancel_payment(ref, idempotency_key=provider.key())
    with pytest.raises(ProviderStateError):
        provider.gateway.cancel_payment(ref, idempotency_key=provider.key())


def test_refund__whole(provider: Provider) -> None:
    ref = provider.paid()
    refund = provider.gateway.refund_payment(
        ref, TEN, reason="duplicate", metadata={"operation": "1"}, idempotency_key=provider.key()
    )
    assert (refund.status, refund.amount, refund.currency) == (RefundStatus.SUCCEEDED, TEN, "USD")
    assert (refund.intent_id, refund.metadata) == (ref.intent_id, {"operation": "1"})
    assert_plain(refund)


def test_refund__parts(provider: Provider) -> None:
    ref = provider.paid()
    made = [
        provider.gateway.refund_payment(
            ref, Decimal(amount), reason="", metadata={"operation": amount}, idempotency_key=provider.key()
        )
        for amount in ("3.00", "2.50")
    ]
    found = provider.gateway.list_refunds(ref)
    assert sorted(found, key=lambda refund: refund.amount) == sorted(made, key=lambda refund: refund.amount)
    assert {refund.metadata["operation"] for refund in found} == {"3.00", "2.50"}
    assert_plain(list(found))


def test_refund__of_a_part_that_was_captured(provider: Provider) -> None:
    ref = provider.paid(manual=True)
    provider.gateway.capture_payment(ref, Decimal("4.00"), idempotency_key=provider.key())
    refund = provider.gateway.refund_payment(
        ref, Decimal("4.00"), reason="", metadata={}, idempotency_key=provider.key()
    )
    assert provider.gateway.list_refunds(ref) == [refund]
    # A refund is no smaller capture.
    assert provider.gateway.retrieve_payment(ref).amount_received == Decimal("4.00")


def test_refund__more_than_is_left(provider: Provider) -> None:
    if isinstance(provider, LocalstripeProvider):
        pytest.skip("localstripe refunds more than was paid")
    ref = provider.paid()
    for amount in ("11.00", "8.00"):
        if amount == "8.00":
            provider.gateway.refund_payment(
                ref, Decimal("8.00"), reason="", metadata={}, idempotency_key=provider.key()
            )
        with pytest.raises(ProviderStateError):
            provider.gateway.refund_payment(
                ref, Decimal(amount), reason="", metadata={}, idempotency_key=provider.key()
            )


def test_refund__not_paid(provider: Provider) -> None:
    ref = provider.decline(ref_of(provider.create()))
    with pytest.raises(ProviderStateError):
        provider.gateway.refund_payment(ref, TEN, reason="", metadata={}, idempotency_key=provider.key())


def test_list_refunds__none(provider: Provider) -> None:
    assert provider.gateway.list_refunds(provider.paid()) == []


@pytest.mark.parametrize("object_id", ["pi_of_nobody", "cs_test_of_nobody"])
def test_unknown_object(provider: Provider, object_id: str) -> None:
    with pytest.raises(ProviderError) as caught:
        provider.gateway.retrieve_payment(PaymentRef(object_id, "", "USD"))
    # localstripe has no such address: what answers there is its web server, which knows nothing of the object.
    is_no_answer = provider.gateway.account.is_localstripe and object_id.startswith("cs_")
    assert isinstance(caught.value, ProviderUnavailable) == is_no_answer
    assert not isinstance(caught.value, ProviderStateError)


@pytest.mark.parametrize(("amount", "currency"), [("1000", "JPY"), ("12.340", "KWD"), ("500", "ISK"), ("10.00", "EUR")])
def test_currencies(provider: Provider, amount: str, currency: str) -> None:
    snapshot = provider.create(amount=amount, currency=currency)
    assert (snapshot.amount, snapshot.currency) == (Decimal(amount), currency)


def test_repr__holds_no_secret(provider: Provider) -> None:
    snapshot = provider.create()
    for text in (repr(snapshot), str(snapshot), repr(provider.gateway), repr(make_request())):
        assert "secret" not in text
        assert "sk_test" not in text
        assert "token-of" not in text.replace(repr(snapshot.raw), "")
