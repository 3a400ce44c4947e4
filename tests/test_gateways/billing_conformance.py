"""How a customer is billed with each of this app's gateways."""

from __future__ import annotations

from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.registry import get_billing_gateway, get_meters
from django_stripe_gateway.testing import BillingScenario
from tests.fake_stripe.server import FakeStripe


class OnStripe(BillingScenario):
    """What Stripe and localstripe have in common."""

    payment_method = "pm_card_visa"
    payment_method_shown = ("card", "visa", "4242")
    failing = "pm_card_chargeCustomerFail"
    failing_last4 = "0341"
    declined = "pm_card_visa_chargeDeclined"
    secrets = ("sk_test", r"_secret_\w{6,}")

    def make_gateway(self) -> BillingGateway:
        return get_billing_gateway("stripe")

    def delete_customer(self, customer_id: str) -> None:
        self.gateway.v1.customers.delete(customer_id)  # type: ignore[attr-defined]


class OnFakeStripe(OnStripe):
    """The fake Stripe, whose log shows which key each request has carried."""

    fake: FakeStripe

    def pay(self, subscription: SubscriptionSnapshot) -> None:
        assert subscription.status == "incomplete"
        assert subscription.client_secret
        self.fake.customer_pays(subscription.subscription_id)

    def make_meter(self) -> str:
        return get_meters("stripe").create_meter("calls", "Calls", idempotency_key=self.key()).meter_id

    def set_up(self, setup_id: str) -> bool:
        self.fake.customer_sets_up(setup_id)
        return True

    def forget_keys(self) -> None:
        self.fake.forget_idempotency_keys()

    def check(self, *, repeats: bool = False) -> None:
        """Fail if a request carried no key of ours, or unless it ``repeats`` another, the same one."""
        changing = [request for request in self.fake.requests if request.method == "POST"]
        sent = [request.idempotency_key for request in changing if not request.path.endswith("/create_preview")]
        assert [key for key in sent if key not in self.keys] == []
        assert repeats or len(sent) == len(set(sent))


class OnLocalstripe(OnStripe):
    """localstripe, which charges at once and keeps no log."""

    def pay(self, subscription: SubscriptionSnapshot) -> None:
        assert subscription.client_secret == ""

    def forget_keys(self) -> None:
        """localstripe keeps none."""
