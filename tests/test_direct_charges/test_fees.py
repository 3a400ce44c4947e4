"""What the platform keeps of payments on sellers' own accounts, which the sellers shall not get around."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway import payments
from django_stripe_gateway.exceptions import InvalidAmount, InvalidInput, UnsupportedByGateway
from django_stripe_gateway.models import ConnectedAccount, Payment, PaymentLog
from tests.factories import intent_object, make_event
from tests.fake_stripe.server import FakeStripe
from tests.test_direct_charges.support import bring, sell

pytestmark = pytest.mark.django_db(transaction=True)


def paid(platform: FakeStripe, account: ConnectedAccount, **values: Any) -> Any:
    """Return a payment with a fee that its customer has paid, or that waits for its capture."""
    payment = sell(account, application_fee=Decimal("1.50"), **values)
    platform.complete_checkout(payment.transaction_id)
    return payments.sync_payment(payment=payment)


def test_taken_and_given_back(platform: FakeStripe, anna: ConnectedAccount) -> None:
    payment = paid(platform, anna)
    assert (payment.status, payment.application_fee, payment.destination_id) == ("confirmed", Decimal("1.50"), "")
    (fee,) = platform.all("application_fee")
    assert (fee["account"], fee["amount"], fee["originating_transaction"]) == (anna.provider_id, 150, None)
    payments.refund_payment(payment=payment, amount=Decimal(4))
    assert [one["amount_refunded"] for one in platform.all("application_fee")] == [60]
    payments.refund_payment(payment=payment, refund_application_fee=False)
    assert [one["amount_refunded"] for one in platform.all("application_fee")] == [60]
    with pytest.raises(InvalidInput):
        payments.refund_payment(payment=paid(platform, anna), reverse_transfer=True)


def test_captured_with_another_fee(platform: FakeStripe, anna: ConnectedAccount) -> None:
    held = paid(platform, anna, capture_method="manual")
    with pytest.raises(InvalidAmount, match=r"more than the 1\.00"):
        payments.capture_payment(payment=held, amount=Decimal(1))
    captured = payments.capture_payment(payment=held, amount=Decimal(5), application_fee=Decimal("0.50"))
    assert (captured.status, captured.application_fee) == ("confirmed", Decimal("0.50"))
    assert [fee["amount"] for fee in platform.all("application_fee")] == [50]


def test_events_before_the_answer_of_the_capture(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """What a capture has asked for is no stranger's fee."""
    held = paid(platform, anna, capture_method="manual")
    before = len(platform.events())
    captured = payments.capture_payment(payment=held, amount=Decimal(5), application_fee=Decimal("0.50"))
    Payment.objects.filter(pk=held.pk).update(status="preauth", captured_amount=0, application_fee=Decimal("1.50"))
    assert "mismatched" not in bring([event for event in platform.events()[before:] if event.get("account")])
    captured.refresh_from_db()
    assert (captured.status, captured.application_fee) == ("confirmed", Decimal("0.50"))


@pytest.mark.parametrize(
    ("terms", "error"),
    [
        ({"application_fee": Decimal(11)}, InvalidAmount),
        ({"application_fee": Decimal("-0.01")}, InvalidAmount),
        ({"application_fee": Decimal("0.001")}, InvalidAmount),
        ({"destination": "acct_1Other", "application_fee": Decimal(1)}, UnsupportedByGateway),
        ({"on_behalf_of": "acct_1Other"}, UnsupportedByGateway),
    ],
)
def test_refused(platform: FakeStripe, anna: ConnectedAccount, terms: dict[str, Any], error: type[Exception]) -> None:
    platform.forget_requests()
    with pytest.raises(error):
        sell(anna, **terms)
    assert not Payment.objects.exists()
    assert platform.requests == []


def test_nobody_elses_fee(platform: FakeStripe, anna: ConnectedAccount) -> None:
    with pytest.raises(InvalidInput, match="on a seller's account"):
        sell(None, application_fee=Decimal(1))


@pytest.mark.parametrize("fee", [None, 0, 149])
def test_sellers_own_intent__does_not_pay_without_the_fee(
    platform: FakeStripe, anna: ConnectedAccount, fee: int | None
) -> None:
    payment = sell(anna, application_fee=Decimal("1.50"))
    forged = intent_object(payment, "succeeded", id="pi_of_mine") | {"application_fee_amount": fee}
    event = make_event("payment_intent.succeeded", forged) | {"account": anna.provider_id}
    assert bring([event]) == ["mismatched"]
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount, payment.intent_id) == ("waiting", 0, "")
    assert PaymentLog.objects.filter(payment=payment, event="mismatch").exists()


def test_fee_that_was_changed_while_the_page_was_open(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """The page asks for what it was made with; that is what was paid, and what the payment says then."""
    payment = sell(anna, application_fee=Decimal("1.50"))
    Payment.objects.filter(pk=payment.pk).update(application_fee=Decimal(2))
    platform.complete_checkout(payment.transaction_id)
    payment = payments.sync_payment(payment=payment)
    assert (payment.status, payment.application_fee) == ("confirmed", Decimal("1.50"))
