"""The reference of the API names the fields that its serializers have, and which of them a request must have."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.api.subscriptions import invoice_serializers, serializers
from django_stripe_gateway.services.subscriptions.cancel import FEEDBACK, REFUNDS
from django_stripe_gateway.services.subscriptions.pause import PAUSE_BEHAVIORS
from tests.test_docs.blocks import DOCS
from tests.test_docs.tables import codes, rows, sections

SECTIONS = {name.replace("`", ""): text for name, text in sections(DOCS / "reference" / "http-api.md").items()}
SHOWN = {
    "The subscription": serializers.SubscriptionSerializer,
    "The invoice": invoice_serializers.InvoiceSerializer,
    "The preview": serializers.PreviewSerializer,
    "The payment method": serializers.PaymentMethodSerializer,
}
ASKED = {
    "POST subscriptions/subscribe/": serializers.SubscribeSerializer,
    "POST subscriptions/change/": serializers.ChangeSubscriptionSerializer,
    "POST subscriptions/cancel/": serializers.CancelSubscriptionSerializer,
    "POST subscriptions/discount/": serializers.ApplyDiscountSerializer,
    "POST subscriptions/trial/": serializers.ChangeTrialSerializer,
    "POST subscriptions/pause/": serializers.PauseSubscriptionSerializer,
    "POST subscriptions/resume/, cancel_change/, unpause/": serializers.SubscriptionIdSerializer,
    "POST subscriptions/portal/": serializers.OpenPortalSerializer,
    "POST subscriptions/invoices/{invoice_id}/refund/": invoice_serializers.RefundInvoiceSerializer,
    "POST subscriptions/invoices/{invoice_id}/credit_note/": invoice_serializers.IssueCreditNoteSerializer,
    "POST subscriptions/payment_methods/": serializers.AddPaymentMethodSerializer,
    "subscriptions/items/": serializers.AddItemSerializer,
}
#: Objects inside of what is shown: the section, the field that holds them, and what they are.
INSIDE = [
    ("The subscription", "plan", serializers.SubscribedPlanSerializer),
    ("The subscription", "pricing", serializers.PricingSerializer),
    ("The subscription", "items", serializers.SubscriptionItemSerializer),
    ("The subscription", "scheduled_change", serializers.ScheduledChangeSerializer),
    ("The subscription", "cancellation", serializers.CancellationSerializer),
    ("The subscription", "discounts", serializers.DiscountSerializer),
    ("The invoice", "refunds", invoice_serializers.InvoiceRefundSerializer),
    ("The invoice", "credit_notes", invoice_serializers.CreditNoteSerializer),
    ("The invoice", "disputes", invoice_serializers.DisputeSerializer),
    ("The preview", "lines", serializers.PreviewLineSerializer),
]


@pytest.mark.parametrize(("section", "serializer"), SHOWN.items(), ids=SHOWN)
def test_what_is_shown(section: str, serializer: Any) -> None:
    assert {name for row in rows(SECTIONS[section]) for name in codes(row[0])} == set(serializer().fields)


@pytest.mark.parametrize(("section", "field", "serializer"), INSIDE, ids=[f"{one}, {two}" for one, two, _ in INSIDE])
def test_what_is_shown__inside(section: str, field: str, serializer: Any) -> None:
    meaning = next(row[2] for row in rows(SECTIONS[section]) if codes(row[0]) == [field])
    assert set(serializer().fields) <= set(codes(meaning))


@pytest.mark.parametrize(("section", "serializer"), ASKED.items(), ids=ASKED)
def test_what_is_asked(section: str, serializer: Any) -> None:
    fields, table = serializer().fields, rows(SECTIONS[section])
    assert {name for row in table for name in codes(row[0])} == set(fields)
    required = {codes(row[0])[0] for row in table if row[1].partition(";")[0] == "required"}
    assert required == {name for name, field in fields.items() if field.required}


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("POST subscriptions/cancel/", (*FEEDBACK, *REFUNDS)),
        ("POST subscriptions/pause/", PAUSE_BEHAVIORS),
        ("The invoice", invoice_serializers.InvoiceStatus.values),
        ("The subscription", serializers.SubscriptionStatus.values),
    ],
)
def test_values(section: str, values: Any) -> None:
    assert set(values) <= set(codes(SECTIONS[section]))


def test_every_serializer_has_its_place() -> None:
    """Those of a plan are shown in a guide, and what stands in a path or a query in the text."""
    known = {*SHOWN.values(), *ASKED.values(), *(one for _section, _field, one in INSIDE)}
    elsewhere = {"Plan", "PlanFilter", "Limit", "Setup", "SetupCheckout", "Portal", "AddOn", "ChangeItem"}
    own = {
        value
        for value in vars(serializers).values()
        if getattr(value, "__module__", "") == serializers.__name__ and hasattr(value, "_declared_fields")
    }
    assert {cls.__name__.removesuffix("Serializer") for cls in own - known} == elsewhere
