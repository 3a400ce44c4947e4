"""The guide to overriding names all that can be put in place of ours."""

from __future__ import annotations

import inspect
from pathlib import Path

import django_stripe_gateway
from tests.test_docs.blocks import DOCS
from tests.test_docs.tables import codes, rows, sections

SOURCE = Path(django_stripe_gateway.__file__).parent


def test_serializers__can_all_be_replaced() -> None:
    from django_stripe_gateway.api.payments import filters, serializers
    from django_stripe_gateway.api.subscriptions import invoice_serializers, return_pages
    from django_stripe_gateway.api.subscriptions import serializers as subscription_serializers
    from django_stripe_gateway.api.usage import serializers as usage_serializers

    names = {
        name.removesuffix("Serializer")
        for module in (
            serializers,
            filters,
            subscription_serializers,
            invoice_serializers,
            return_pages,
            usage_serializers,
        )
        for name, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__ and name.endswith("Serializer")
    }
    section = sections(DOCS / "howto" / "override.md")["Serializers"]
    # Parts of others, which are replaced with those; and a query that is signed.
    names -= {
        "Pricing",
        "Limit",
        "SubscribedPlan",
        "ScheduledChange",
        "Cancellation",
        "Discount",
        "PreviewLine",
        "AddOn",
        "FeeDetail",
        "InvoiceRefund",
        "CreditNote",
        "Dispute",
    }
    names -= {"SubscriptionReturnQuery"}
    assert {name for row in rows(section) for name in codes(row[0])} == names
    section = sections(DOCS / "howto" / "override.md")["Return pages and templates"]
    folder = SOURCE / "templates" / "django_stripe_gateway"
    shown = {f"django_stripe_gateway/{path.name}" for path in folder.glob("*.html")}
    assert {codes(row[0])[0] for row in rows(section)} == shown
