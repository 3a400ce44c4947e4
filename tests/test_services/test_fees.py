"""What a provider keeps of a payment: asked for once, and for nobody but the seller."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.exceptions import OtherAccount, ProviderError, UnsupportedByGateway
from django_stripe_gateway.gateways import FeeDetail
from django_stripe_gateway.models import PaymentFees
from django_stripe_gateway.payments import (
    cancel_payment,
    capture_payment,
    confirm_payment,
    create_payment,
    fetch_fees,
    refund_payment,
    sync_payment,
)
from tests.factories import make_paid_payment
from tests.fake_stripe.server import FakeStripe
from tests.test_api.conftest import INTENT_VARIANTS
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)

VERSIONS = {"current": "", "acacia": "2025-02-24.acacia", "legacy": "2017-08-15"}


@pytest.fixture(params=list(VERSIONS))
def generation(request: Any, settings: Any, stripe_server: FakeStripe) -> FakeStripe:
    """Let requests and events be of each generation."""
    settings.STRIPE_GATEWAY_API_VERSION = VERSIONS[request.param]
    stripe_server.generation = request.param
    return stripe_server


def paid(settings: Any, user: Any, *, manual: bool = False, currency: str = "USD") -> Any:
    """Return a payment of 10.00 that was confirmed, or with ``manual`` authorised."""
    settings.PAYMENT_VARIANTS = INTENT_VARIANTS
    payment = create_payment(
        owner=user,
        gateway="stripe",
        amount=Decimal("10.00"),
        currency=currency,
        capture_method="manual" if manual else "automatic",
    )
    return confirm_payment(payment=payment, payment_method="pm_card_visa")


def test_fee_and_net(generation: FakeStripe, settings: Any, user: Any) -> None:
    payment = paid(settings, user)
    fees = fetch_fees(payment=payment)
    assert fees is not None
    assert (fees.amount, fees.fee, fees.net) == (Decimal("10.00"), Decimal("0.59"), Decimal("9.41"))
    assert (fees.currency, fees.exchange_rate) == ("USD", None)
    assert fees.available_on is not None
    assert fees.details == (FeeDetail("stripe_fee", Decimal("0.59"), "USD", "Stripe processing fees"),)
    assert (fees.refunds, fees.net_after_refunds) == (None, None)


def test_asked_once(stripe_server: FakeStripe, settings: Any, user: Any) -> None:
    payment = paid(settings, user)
    before = len(stripe_server.requests)
    first = fetch_fees(payment=payment)
    assert len(stripe_server.requests) == before + 1
    assert fetch_fees(payment=payment) == first
    assert len(stripe_server.requests) == before + 1
    assert PaymentFees.objects.count() == 1


def test_checkout(generation: FakeStripe, user: Any) -> None:
    payment = create_payment(owner=user, gateway="stripe", amount=Decimal("10.00"), currency="USD")
    deliver_all(generation.complete_checkout(payment.transaction_id))
    payment.refresh_from_db()
    fees = fetch_fees(payment=payment)
    assert fees is not None
    assert fees.net == Decimal("9.41")
    # Of an import, or where only the page is known.
    PaymentFees.objects.all().delete()
    type(payment).objects.filter(pk=payment.pk).update(intent_id="")
    payment.refresh_from_db()
    assert fetch_fees(payment=payment, with_refunds=True).net == Decimal("9.41")  # type: ignore[union-attr]


def test_settled_in_another_currency(stripe_server: FakeStripe, settings: Any, user: Any) -> None:
    stripe_server.state.settlement = ("jpy", 1600)
    fees = fetch_fees(payment=paid(settings, user))
    assert fees is not None
    assert (fees.currency, fees.exchange_rate) == ("JPY", Decimal("1.6"))
    # 1000 cents at 1.6 are 1600 yen, which has no smaller unit.
    assert (fees.amount, fees.fee, fees.net) == (Decimal(1600), Decimal(76), Decimal(1524))
    payment = paid(settings, user)
    fetched = fetch_fees(payment=payment)
    assert fetch_fees(payment=payment) == fetched


def test_platform(stripe_server: FakeStripe, settings: Any, user: Any) -> None:
    stripe_server.state.platform_fee = 123
    fees = fetch_fees(payment=paid(settings, user))
    assert fees is not None
    assert [(detail.kind, detail.amount) for detail in fees.details] == [
        ("stripe_fee", Decimal("0.59")),
        ("application_fee", Decimal("1.23")),
    ]
    assert fees.fee == Decimal("1.82")


def test_partial_capture(generation: FakeStripe, settings: Any, user: Any) -> None:
    payment = paid(settings, user, manual=True)
    before = len(generation.requests)
    assert fetch_fees(payment=payment) is None
    assert len(generation.requests) == before
    payment = capture_payment(payment=payment, amount=Decimal("4.00"))
    fees = fetch_fees(payment=payment)
    assert fees is not None
    assert (fees.amount, fees.fee) == (Decimal("4.00"), Decimal("0.42"))


def test_refunds(generation: FakeStripe, settings: Any, user: Any) -> None:
    payment = paid(settings, user)
    assert fetch_fees(payment=payment, with_refunds=True).net_after_refunds == Decimal("9.41")  # type: ignore[union-attr]
    payment = refund_payment(payment=payment, amount=Decimal("3.00")).payment
    fees = fetch_fees(payment=payment, with_refunds=True)
    assert fees is not None
    assert fees.refunds is not None
    assert (fees.refunds.net, fees.net_after_refunds) == (Decimal("-3.00"), Decimal("6.41"))
    before = len(generation.requests)
    assert fetch_fees(payment=payment, with_refunds=True) == fees
    assert len(generation.requests) == before


def test_refunds__failed_later(stripe_server: FakeStripe, settings: Any, user: Any) -> None:
    payment = paid(settings, user)
    refund = refund_payment(payment=payment, amount=Decimal("3.00"))
    deliver_all(stripe_server.fail_refund(refund.provider_id))
    payment.refresh_from_db()
    fees = fetch_fees(payment=payment, with_refunds=True)
    assert fees is not None
    assert fees.net_after_refunds == Decimal("9.41")


def test_not_booked_yet(stripe_server: FakeStripe, settings: Any, user: Any) -> None:
    payment = paid(settings, user)
    charge = stripe_server.all("charge")[0]
    with stripe_server.state.acting():
        _scope, stored = stripe_server.state.locate(charge["id"])
        booked, stored["balance_transaction"] = stored["balance_transaction"], None
    assert fetch_fees(payment=payment, with_refunds=True) is None
    assert not PaymentFees.objects.exists()
    with stripe_server.state.acting():
        stored["balance_transaction"] = booked
    assert fetch_fees(payment=payment) is not None


def test_unpaid(stripe_server: FakeStripe, user: Any) -> None:
    payment = create_payment(owner=user, gateway="stripe", amount=Decimal("10.00"), currency="USD")
    before = len(stripe_server.requests)
    assert fetch_fees(payment=payment) is None
    assert fetch_fees(payment=cancel_payment(payment=payment)) is None
    assert [request.method for request in stripe_server.requests[before:]].count("GET") <= 1


def test_no_answer_stores_nothing(stripe_server: FakeStripe, settings: Any, user: Any) -> None:
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 0
    payment = paid(settings, user)
    stripe_server.fault("GET", "/v1/payment_intents/*", kind="error_500_before")
    with pytest.raises(ProviderError):
        fetch_fees(payment=payment)
    assert not PaymentFees.objects.exists()


def test_another_account(stripe_server: FakeStripe, settings: Any, user: Any) -> None:
    payment = paid(settings, user)
    type(payment).objects.filter(pk=payment.pk).update(account_id="acct_other")
    payment.refresh_from_db()
    with pytest.raises(OtherAccount):
        fetch_fees(payment=payment)


def test_localstripe_has_none(settings: Any) -> None:
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    payment = make_paid_payment(transaction_id="pi_1", intent_id="pi_1")
    with pytest.raises(UnsupportedByGateway):
        fetch_fees(payment=payment)


def test_nothing_of_it_comes_with_a_look(stripe_server: FakeStripe, settings: Any, user: Any) -> None:
    payment = paid(settings, user)
    sync_payment(payment=payment, with_refunds=True)
    assert not PaymentFees.objects.exists()
