"""What every gateway that bills must do."""

from __future__ import annotations

from django_stripe_gateway.testing.billing.abilities import AbilityTests
from django_stripe_gateway.testing.billing.catalogue import CatalogueTests
from django_stripe_gateway.testing.billing.scenario import BillingScenario
from django_stripe_gateway.testing.billing.subscribing import SubscribingTests

__all__ = ["BillingGatewayConformance", "BillingScenario"]


class BillingGatewayConformance(CatalogueTests, SubscribingTests, AbilityTests):
    """Subclass it, say how customers pay (see ``BillingScenario``), and let pytest or unittest run its tests.

    What a gateway cannot do it says by its ``supports_*`` flags: the suite checks that it is refused as documented.
    """
