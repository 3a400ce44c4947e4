"""What is registered to make Acme Pay known."""

from __future__ import annotations

from acme_pay.accounts import NAME, acme_account
from acme_pay.billing import AcmeBillingGateway
from acme_pay.payments import AcmeGateway
from django_stripe_gateway.gateways import BillingGateway, Gateway, Provider


class AcmePay(Provider):
    """Payments on its page, subscriptions charged at once."""

    name = NAME
    label = "Acme Pay"
    webhooks = "acme_pay.webhooks.AcmeWebhooks"
    checks = "acme_pay.checks.AcmeChecks"
    supports_billing = True

    def payments(self, variant: str) -> Gateway:
        """Return the gateway of the variant's account."""
        return AcmeGateway(acme_account(variant))

    def billing(self, variant: str) -> BillingGateway:
        """Return the gateway that bills through the variant's account."""
        return AcmeBillingGateway(acme_account(variant))
