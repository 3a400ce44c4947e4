"""Which of a provider's ids a payment keeps, by its columns and by the snapshot."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.utils import timezone

from django_stripe_gateway.choices import OperationKind
from django_stripe_gateway.gateways.values import PaymentSnapshot, ProviderStatus
from django_stripe_gateway.services.origins import SYSTEM
from django_stripe_gateway.services.payments.sync import apply_snapshot
from tests.factories import make_payment

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("known", "object_id", "intent_id", "is_session", "kept"),
    [
        # A page, then what holds its money.
        (("page_1", ""), "money_1", "money_1", False, ("page_1", "money_1")),
        # What holds the money was known before its page.
        (("money_1", "money_1"), "page_1", "", True, ("page_1", "money_1")),
        # A new attempt without a page.
        (("money_1", "money_1"), "money_2", "money_2", False, ("money_2", "money_2")),
        # A new attempt at a provider whose objects have one id only.
        (("invoice_1", ""), "invoice_2", "", False, ("invoice_2", "")),
    ],
)
def test_own_call(
    known: tuple[str, str], object_id: str, intent_id: str, is_session: bool, kept: tuple[str, str]
) -> None:
    payment = make_payment(transaction_id=known[0], intent_id=known[1])
    operation = payment.operations.create(kind=OperationKind.CREATE, leased_until=timezone.now())
    snapshot = PaymentSnapshot(
        status=ProviderStatus.OPEN,
        object_id=object_id,
        intent_id=intent_id,
        is_session=is_session,
        amount=Decimal("10.00"),
        currency="USD",
    )
    apply_snapshot(payment, snapshot, SYSTEM, operation=operation)
    assert (payment.transaction_id, payment.intent_id) == kept
