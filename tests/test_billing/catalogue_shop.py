"""The catalogue of one account, at whichever provider a test runs."""

from __future__ import annotations

import io
from typing import Any

from django.core.management import call_command

from django_stripe_gateway.gateways.catalogue_values import PriceSnapshot
from django_stripe_gateway.models import Plan, PlanPricing
from django_stripe_gateway.services.catalogue.state import ProviderCatalogue, read_catalogue


def run(command: str, *args: str, **options: Any) -> str:
    """Run a command and return what it printed."""
    out = io.StringIO()
    call_command(command, *args, stdout=out, **options)
    return out.getvalue()


def seed(*args: str) -> str:
    """Seed the standard plans."""
    return run("seed_subscriptions", *args)


class CatalogueShop:
    """Looks at both sides."""

    #: Plans of this test only; localstripe keeps those of the tests before.
    slugs = ("free", "day-pass", "premium")

    @property
    def catalogue(self) -> ProviderCatalogue:
        """Return what the provider has."""
        return read_catalogue("stripe")

    def prices(self, slug: str) -> list[PriceSnapshot]:
        """Return the prices that the provider sells a plan at."""
        catalogue = self.catalogue
        product_ids = {row.stripe_product_id for row in PlanPricing.objects.filter(plan__slug=slug)}
        found = [price for price in catalogue.prices.values() if price.product_id in product_ids]
        return [price for price in found if catalogue.sells(price)]

    def row(self, slug: str) -> PlanPricing:
        """Return the one price on sale here."""
        return PlanPricing.objects.get(plan__slug=slug, is_active=True)

    def plan(self, slug: str) -> Plan:
        """Return a plan."""
        return Plan.objects.get(slug=slug)
