"""Asking for something else does not carry out what got no answer."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

import pytest

from django_stripe_gateway import exceptions
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services.payments import cancel as cancelling
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import confirm as confirming
from django_stripe_gateway.services.payments import refund as refunds
from tests.test_services.acts import Act, capture_six, effects, holds, refund_six
from tests.test_services.conftest import Shop

pytestmark = pytest.mark.django_db(transaction=True)


class TestGivenUp:
    """Asking for something else does not carry out what got no answer."""

    @pytest.fixture
    def intents(self, settings: Any) -> None:
        provider = "django_stripe_gateway.providers.StripeProvider"
        settings.PAYMENT_VARIANTS = {"stripe": (provider, {"flow": "intent"})}

    def test_cancel_after_a_lost_capture(self, shop: Shop) -> None:
        payment = shop.authorized()
        shop.stripe.fault("POST", "/v1/payment_intents/*/capture", kind="reset_before")
        with pytest.raises(exceptions.ProviderUnavailable):
            capture_six(payment)
        assert cancelling.cancel_payment(payment=payment).status == "cancelled"
        assert effects(shop, "/capture") == 0
        assert not PaymentOperation.objects.pending().exists()

    def test_cancel_after_a_capture_that_happened(self, shop: Shop) -> None:
        payment = shop.authorized()
        shop.stripe.fault("POST", "/v1/payment_intents/*/capture", kind="reset_after")
        with pytest.raises(exceptions.ProviderUnavailable):
            capture_six(payment)
        with pytest.raises(exceptions.WrongState):
            cancelling.cancel_payment(payment=payment)
        holds(payment, {"status": "confirmed", "captured_amount": Decimal(6)})

    def test_another_amount_after_a_lost_capture(self, shop: Shop) -> None:
        payment = shop.authorized()
        shop.stripe.fault("POST", "/v1/payment_intents/*/capture", kind="reset_before")
        with pytest.raises(exceptions.ProviderUnavailable):
            captures.capture_payment(payment=payment, amount=Decimal(2))
        assert captures.capture_payment(payment=payment, amount=Decimal(9)).captured_amount == Decimal(9)

    def test_cancel_after_a_lost_confirmation(self, shop: Shop, intents: None) -> None:
        payment = shop.waiting()
        shop.stripe.fault("POST", "/v1/payment_intents/*/confirm", kind="reset_before")
        with pytest.raises(exceptions.ProviderUnavailable):
            confirming.confirm_payment(payment=payment, payment_method="pm_card_visa")
        assert cancelling.cancel_payment(payment=payment).status == "cancelled"
        assert effects(shop, "/capture") == 0

    def test_another_card_after_a_lost_confirmation(self, shop: Shop, intents: None) -> None:
        payment = shop.waiting()
        shop.stripe.fault("POST", "/v1/payment_intents/*/confirm", kind="reset_before")
        with pytest.raises(exceptions.ProviderUnavailable):
            confirming.confirm_payment(payment=payment, payment_method="pm_card_visa")
        assert confirming.confirm_payment(payment=payment, payment_method="pm_card_mastercard").status == "confirmed"
        asked = [call.params.get("payment_method") for call in shop.mutations("/confirm") if call.acts]
        assert asked == ["pm_card_mastercard"]

    def test_another_refund_after_a_lost_one(self, shop: Shop) -> None:
        payment = shop.completed()
        shop.stripe.fault("POST", "/v1/refunds", kind="reset_before")
        with pytest.raises(exceptions.ProviderUnavailable):
            refund_six(payment)
        with pytest.raises(exceptions.OperationInProgress, match=r"6\.00 USD"):
            refunds.refund_payment(payment=payment, amount=Decimal(4))
        assert shop.stripe.all("refund") == []
        assert refund_six(payment).refunded_amount == Decimal(6)
        assert refunds.refund_payment(payment=payment, amount=Decimal(4)).payment.status == "refunded"

    def test_look_up_fails(self, shop: Shop) -> None:
        payment = shop.authorized()
        shop.stripe.fault("POST", "/v1/payment_intents/*/capture", kind="reset_before")
        with pytest.raises(exceptions.ProviderUnavailable):
            capture_six(payment)
        shop.stripe.fault("GET", "/v1/checkout/sessions/*", kind="error_500_before")
        with pytest.raises(exceptions.ProviderUnavailable):
            cancelling.cancel_payment(payment=payment)
        assert PaymentOperation.objects.pending().count() == 1
        assert cancelling.cancel_payment(payment=payment).status == "cancelled"


def capture_all(payment: Any) -> Any:
    return captures.capture_payment(payment=payment, idempotency_key="k1")


def release(payment: Any) -> Any:
    return cancelling.cancel_payment(payment=payment, idempotency_key="k1")


def confirm(card: str) -> Act:
    return lambda payment: confirming.confirm_payment(payment=payment, payment_method=card, idempotency_key="k1")


def another_capture(payment: Any) -> Any:
    return captures.capture_payment(payment=payment, amount=Decimal(3))


def another_cancel(payment: Any) -> Any:
    return cancelling.cancel_payment(payment=payment)


class TestHappened:
    """What got no answer and happened all the same counts as done, for whoever asked for it and in the records."""

    #: name → (how to start, what to do, Stripe's path, what else is asked for, the status that the payment then has)
    CASES: ClassVar[dict[str, tuple[str, Act, str, Act, str]]] = {
        "capture": ("authorized", capture_all, "capture", another_cancel, "confirmed"),
        "release": ("authorized", release, "cancel", another_capture, "cancelled"),
        "paid": ("intent", confirm("pm_card_visa"), "confirm", another_cancel, "confirmed"),
        "authorized": ("manual intent", confirm("pm_card_visa"), "confirm", another_cancel, "cancelled"),
        "3-D Secure": ("intent", confirm("pm_card_authenticationRequired"), "confirm", another_cancel, "cancelled"),
        "bank debit": ("intent", confirm("pm_usBankAccount"), "confirm", another_cancel, "cancelled"),
    }

    @pytest.fixture
    def start(self, shop: Shop, settings: Any) -> Callable[[str], Any]:
        def start(state: str) -> Any:
            if state == "authorized":
                return shop.authorized()
            provider = "django_stripe_gateway.providers.StripeProvider"
            settings.PAYMENT_VARIANTS = {"stripe": (provider, {"flow": "intent"})}
            return shop.waiting(capture_method="manual" if state.startswith("manual") else "automatic")

        return start

    @pytest.mark.parametrize("case", CASES)
    def test_settled(self, shop: Shop, start: Callable[[str], Any], case: str) -> None:
        state, act, end, other, status = self.CASES[case]
        payment = start(state)
        shop.stripe.fault("POST", f"/v1/payment_intents/*/{end}", kind="reset_after")
        with pytest.raises(exceptions.ProviderUnavailable):
            act(payment)
        with contextlib.suppress(exceptions.WrongState):
            other(payment)
        operation = PaymentOperation.objects.get(kind=end)
        assert (operation.state, operation.error) == ("succeeded", {})
        payment.refresh_from_db()
        assert payment.status == status
        # Its caller hears of it, too, and nothing is asked of Stripe twice.
        asked = len(shop.mutations(f"/{end}"))
        assert act(payment).status == status
        assert len(shop.mutations(f"/{end}")) == asked
