"""For the tests of host projects, and of those who write a gateway.

A host makes events, signs them and delivers them (``events``). The author of a gateway subclasses
``GatewayConformance`` or ``BillingGatewayConformance``: all that this app's own gateways are held to.
"""

from django_stripe_gateway.testing.billing import BillingGatewayConformance, BillingScenario
from django_stripe_gateway.testing.events import deliver_event, make_event, sign_body
from django_stripe_gateway.testing.payments import GatewayConformance, PaymentScenario
from django_stripe_gateway.webhooks.registry import temporary_handlers

__all__ = [
    "BillingGatewayConformance",
    "BillingScenario",
    "GatewayConformance",
    "PaymentScenario",
    "deliver_event",
    "make_event",
    "sign_body",
    "temporary_handlers",
]
