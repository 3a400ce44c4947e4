"""What every payment gateway must do."""

from __future__ import annotations

from django_stripe_gateway.testing.payments.capturing import CapturingTests
from django_stripe_gateway.testing.payments.fees import FeesTests
from django_stripe_gateway.testing.payments.refunding import RefundingTests
from django_stripe_gateway.testing.payments.repeating import RepeatingTests
from django_stripe_gateway.testing.payments.scenario import PaymentScenario
from django_stripe_gateway.testing.payments.starting import StartingTests

__all__ = ["GatewayConformance", "PaymentScenario"]


class GatewayConformance(StartingTests, CapturingTests, RefundingTests, RepeatingTests, FeesTests):
    """Subclass it, say how customers act (see ``PaymentScenario``), and let pytest or unittest run its tests.

    What a gateway cannot do it says by its ``supports_*`` flags: the suite checks that it is refused as documented.
    """
