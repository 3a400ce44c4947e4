"""The questions that people ask about payments."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db import models
from django.db.models import BigIntegerField, Exists, F, OuterRef, Sum
from django.db.models.functions import Cast, Round
from django.utils import timezone

from django_stripe_gateway.choices import PaymentStatus
from django_stripe_gateway.models.operations import PaymentOperation
from django_stripe_gateway.money import DECIMAL_PLACES
from django_stripe_gateway.transitions import CANCELLABLE, PAYABLE

P = TypeVar("P", bound=models.Model)


class PaymentQuerySet(models.QuerySet[P]):
    """Each filter stands for the predicate of the same name on the model."""

    def for_owner(self, owner: Any) -> PaymentQuerySet[P]:
        """Return the payments of one user."""
        return self.filter(owner=owner)

    def for_order(self, order_id: str) -> PaymentQuerySet[P]:
        """Return the payments made for one order of the host."""
        return self.filter(order_id=order_id)

    def payable(self) -> PaymentQuerySet[P]:
        """Return the payments that the customer can still pay."""
        return self.filter(status__in=PAYABLE)

    def preauthorized(self) -> PaymentQuerySet[P]:
        """Return the payments that wait for their capture."""
        return self.filter(status=PaymentStatus.PREAUTH)

    def confirmed(self) -> PaymentQuerySet[P]:
        """Return the payments whose money has been taken and not wholly given back."""
        return self.filter(status=PaymentStatus.CONFIRMED)

    def cancellable(self) -> PaymentQuerySet[P]:
        """Return the payments that can be cancelled or released."""
        return self.filter(status__in=CANCELLABLE)

    def refundable(self) -> PaymentQuerySet[P]:
        """Return the payments of which something can still be given back (refunds under way not counted)."""
        return self.filter(status=PaymentStatus.CONFIRMED, captured_amount__gt=F("refunded_amount"))

    def partially_refunded(self) -> PaymentQuerySet[P]:
        """Return the payments of which a part has been given back."""
        return self.filter(status=PaymentStatus.CONFIRMED, refunded_amount__gt=0)

    def stale(self, older_than: timedelta = timedelta(days=1)) -> PaymentQuerySet[P]:
        """Return the payments that have waited for the customer longer than ``older_than``."""
        return self.payable().filter(created__lt=timezone.now() - older_than)

    def with_pending_operation(self) -> PaymentQuerySet[P]:
        """Return the payments for which a provider's answer is still missing."""
        # Not a join with DISTINCT, which PostgreSQL cannot lock rows of.
        return self.filter(Exists(PaymentOperation.objects.pending().filter(payment=OuterRef("pk"))))

    def totals(self) -> dict[str, dict[str, Decimal]]:
        """Return captured, refunded and net amounts per currency, exact on every database, in one query."""
        rows = (
            self.order_by()
            .values("currency")
            .annotate(captured=_sum("captured_amount"), refunded=_sum("refunded_amount"))
            .order_by("currency")
        )
        return {
            row["currency"]: {
                "captured": _amount(row["captured"]),
                "refunded": _amount(row["refunded"]),
                "net": _amount(row["captured"] - row["refunded"]),
            }
            for row in rows
        }


def _sum(column: str) -> Sum:
    # In thousandths: SQLite adds decimals up as floats.
    return Sum(Cast(Round(F(column) * 10**DECIMAL_PLACES), BigIntegerField()))


def _amount(thousandths: int) -> Decimal:
    return Decimal(int(thousandths)).scaleb(-DECIMAL_PLACES)
