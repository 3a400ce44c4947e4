"""The questions that people ask about payments."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db import models
from django.db.models import BigIntegerField, Exists, F, FilteredRelation, OuterRef, Q, Sum
from django.db.models.functions import Cast, Greatest, Round
from django.utils import timezone

from django_stripe_gateway.choices import FraudStatus, PaymentStatus, RefundStatus
from django_stripe_gateway.models.connected_accounts import of_sellers
from django_stripe_gateway.models.fields import MoneyField
from django_stripe_gateway.models.operations import PaymentOperation
from django_stripe_gateway.models.provider_accounts import AccountQuerySet, may_be_of_another, of_current_accounts
from django_stripe_gateway.models.unexpected import UnexpectedPayment
from django_stripe_gateway.money import DECIMAL_PLACES
from django_stripe_gateway.transitions import CANCELLABLE, PAYABLE

P = TypeVar("P", bound=models.Model)

DISPUTED = (FraudStatus.REVIEW, FraudStatus.REJECT)
UNDER_WAY = (RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION)


class PaymentQuerySet(AccountQuerySet[P]):
    """Each filter stands for the predicate of the same name on the model."""

    def update(self, **values: Any) -> int:
        """Write columns; with more captured than was authorised, that is raised too, as ``save()`` does."""
        if "captured_amount" in values and "authorized_amount" not in values:
            captured = Cast(values["captured_amount"], MoneyField())
            values["authorized_amount"] = Greatest(F("authorized_amount"), captured)
        return super().update(**values)

    update.alters_data = True  # type: ignore[attr-defined]

    def of_configured_account(self) -> PaymentQuerySet[P]:
        """See ``AccountQuerySet``; of sellers who are connected, too."""
        return self.filter(of_current_accounts() | of_sellers())

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

    def with_unexpected(self) -> PaymentQuerySet[P]:
        """Return the payments for which money came that nobody has decided about."""
        return self.filter(Exists(UnexpectedPayment.objects.open().filter(payment=OuterRef("pk"))))

    def paid_amount(self, *, owner: Any, order_id: str, currency: str) -> Decimal:
        """Return what an owner has paid for an order and not got back, exact on every database, in one query.

        An order is paid once this is as much as it costs. What is only authorised counts nothing, nor does what
        somebody else has paid under the order's number, in another currency, or in a mode or an account that is not
        configured now: a test card pays nothing once the site is live. Nor does, until the provider was asked about it,
        what nobody knows the account of, once there has been another one of the mode. What was refunded, or is about to
        be, is taken off; a payment counts nothing while it is disputed, and after its dispute was lost.

        This changes in both directions, and says nothing of what you have delivered: note that yourself.

        Args:
            owner: whose order it is; ``None`` for payments of nobody.
            order_id: the order's number, as the payments have it.
            currency: ISO code of the order's price, any case; the answer is in its units.

        Raises:
            ValueError: ``order_id`` is empty, which is what payments without an order have.
        """
        number = str(order_id)
        if order_id is None or not number:
            raise ValueError("Say which order: payments without one have an empty order_id.")
        # The few payments of an order by their index, the rest here: SQLite would read all that are confirmed.
        rows = (
            self.of_configured_account()
            .exclude(may_be_of_another())
            .filter(owner=owner, order_id=number)
            .annotate(refund_under_way=FilteredRelation("refunds", condition=Q(refunds__status__in=UNDER_WAY)))
            .order_by()
            .values_list(
                *("pk", "order_id", "currency", "status", "fraud_status"),
                *("captured_amount", "refunded_amount", "refund_under_way__amount"),
            )
        )
        kept, leaving = {}, Decimal(0)
        for pk, *found, fraud_status, captured, refunded, under_way in rows:
            # The number once more: some databases find "a1" and "A1 " as well.
            if found == [number, currency.upper(), PaymentStatus.CONFIRMED] and fraud_status not in DISPUTED:
                kept[pk] = captured - refunded
                leaving += under_way or 0
        return sum(kept.values(), Decimal(0)) - leaving

    def totals(self) -> dict[str, dict[str, Decimal]]:
        """Return captured, refunded and net amounts per currency, exact on every database, in one query.

        Of all rows of the queryset: ``of_configured_account()`` before it leaves test payments and former accounts out.
        """
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
