"""How a customer pays with each of this app's gateways."""

from __future__ import annotations

from collections.abc import Mapping

from django.test import override_settings

from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import PaymentRef, PaymentRequest, ProviderStatus
from django_stripe_gateway.testing import PaymentScenario
from tests.fake_paypal.server import CLIENT_SECRET, FakePayPal
from tests.fake_stripe.server import FakeStripe

# A port that nobody listens on.
NOBODY = "http://127.0.0.1:1"


class OnStripe(PaymentScenario):
    """What Checkout, PaymentIntents and localstripe have in common."""

    payment_method = "pm_card_visa"
    unknown_ids = ("pi_of_nobody", "cs_test_of_nobody")
    secrets = ("sk_test", r"_secret_\w{6,}")

    def make_gateway(self) -> Gateway:
        return get_gateway("stripe")

    def make_unreachable_gateway(self) -> Gateway:
        with override_settings(STRIPE_GATEWAY_API_BASE=NOBODY, STRIPE_GATEWAY_LOCALSTRIPE_URL=NOBODY):
            return get_gateway("stripe")

    def approve(self, ref: PaymentRef) -> None:
        """There is no page."""

    def kept_metadata(self, ref: PaymentRef) -> Mapping[str, str]:
        intent = self.gateway.retrieve_payment(PaymentRef(ref.intent_id, ref.intent_id, "USD"))
        metadata: Mapping[str, str] = intent.raw["metadata"]
        return metadata


class OnFakeStripe(OnStripe):
    """The fake Stripe, whose log shows which key each request has carried."""

    fake: FakeStripe

    def forget_keys(self) -> None:
        self.fake.forget_idempotency_keys()

    def check(self, *, repeats: bool) -> None:
        """Fail if a request carried no key of ours, or unless it ``repeats`` another, the same one."""
        sent = [request.idempotency_key for request in self.fake.requests if request.method == "POST"]
        assert [key for key in sent if key not in self.keys] == []
        # Each call changes one thing at most.
        assert repeats or len(sent) == len(set(sent))


class OnCheckout(OnFakeStripe):
    """Checkout Sessions: the customer pays on Stripe's page."""

    def approve(self, ref: PaymentRef) -> None:
        self.fake.complete_checkout(ref.object_id)

    def decline(self, ref: PaymentRef, request: PaymentRequest) -> PaymentRef:
        self.fake.complete_checkout(ref.object_id, "pm_card_chargeDeclined")
        return ref


class OnIntents(OnFakeStripe):
    """PaymentIntents, confirmed from the server."""

    def decline(self, ref: PaymentRef, request: PaymentRequest) -> PaymentRef:
        return self.confirm_declined(ref, self.make_request(payment_method="pm_card_chargeDeclined"))


class OnLocalstripe(OnStripe):
    """PaymentIntents on localstripe."""

    def decline(self, ref: PaymentRef, request: PaymentRequest) -> PaymentRef:
        # Those that Stripe declines, localstripe lets pay: it declines them only when they are saved.
        return self.confirm_declined(ref, self.make_request(payment_method="pm_card_chargeCustomerFail"))

    def forget_keys(self) -> None:
        """localstripe keeps none."""


class OnPayPal(PaymentScenario):
    """Orders, approved on PayPal's page, and captured or authorised when the buyer is back."""

    fake: FakePayPal

    #: An order says nothing of a buyer who has to choose another card, nor whether it is real.
    declined_code = ""
    declined_status = ProviderStatus.APPROVED
    says_livemode = False
    cancels_unpaid = False
    refused_currencies = frozenset({"KWD", "ISK"})
    secrets = (CLIENT_SECRET, "A21AA")

    def make_gateway(self) -> Gateway:
        return get_gateway("paypal")

    def make_unreachable_gateway(self) -> Gateway:
        with override_settings(STRIPE_GATEWAY_PAYPAL_API_BASE=NOBODY):
            return get_gateway("paypal")

    def approve(self, ref: PaymentRef) -> None:
        self.fake.approve(ref.object_id)

    def decline(self, ref: PaymentRef, request: PaymentRequest) -> PaymentRef:
        self.approve(ref)
        self.fake.behaviour.decline = "INSTRUMENT_DECLINED"
        declined = self.confirm_declined(ref, request)
        self.fake.behaviour.decline = ""
        return declined

    def kept_metadata(self, ref: PaymentRef) -> Mapping[str, str]:
        (unit,) = self.fake.state.orders[ref.object_id]["purchase_units"]
        return {"payment_id": unit["reference_id"], "token": self.fake.state.captures[ref.intent_id]["custom_id"]}

    def refund_metadata(self, sent: Mapping[str, str]) -> Mapping[str, str]:
        return {"operation": sent["operation"]}

    def forget_keys(self) -> None:
        self.fake.api.forget_request_ids()
