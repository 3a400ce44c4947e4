"""Payments: django-payments' model, with money fields for every currency, an owner and the provider's ids."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, router, transaction
from django.utils.translation import gettext_lazy as _
from payments import PurchasedItem
from payments.core import provider_factory
from payments.models import BasePayment
from payments.signals import status_changed

from django_stripe_gateway.choices import CaptureMethod, PaymentStatus, RefundStatus
from django_stripe_gateway.exceptions import WrongState
from django_stripe_gateway.models import return_urls
from django_stripe_gateway.models.fields import ZERO, MoneyField
from django_stripe_gateway.models.querysets import PaymentQuerySet
from django_stripe_gateway.money import format_amount
from django_stripe_gateway.transitions import CANCELLABLE, PAYABLE, can_transition


def new_token() -> str:
    """Return an unguessable token for a payment."""
    return str(uuid.uuid4())


class AbstractPayment(BasePayment):
    """One payment. Subclass it and name the subclass in ``PAYMENT_MODEL`` to add fields of your own.

    ``total`` is what is asked for, ``captured_amount`` what was taken and ``refunded_amount`` what was given back, all
    in ``currency``'s own units. Change them through the services (or the methods below, which call them): they hold
    the row's lock, follow the transition table and keep the audit trail.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        # The composite index below serves it.
        db_index=False,
    )
    gateway = models.CharField(_("gateway"), max_length=64, blank=True, default="")
    order_id = models.CharField(_("order"), max_length=255, blank=True, default="", db_index=True)
    metadata = models.JSONField(_("metadata"), blank=True, default=dict)
    capture_method = models.CharField(
        _("capture method"), max_length=16, choices=CaptureMethod.choices, default=CaptureMethod.AUTOMATIC
    )
    livemode = models.BooleanField(_("live mode"), default=False)
    # What was made at the provider to take the payment (cs_… or pi_…), and the intent that holds the money (pi_…).
    transaction_id = models.CharField(_("transaction"), max_length=255, blank=True, db_index=True)
    intent_id = models.CharField(_("intent"), max_length=255, blank=True, default="", db_index=True)
    token = models.CharField(max_length=36, unique=True, default=new_token, editable=False)
    failure_code = models.CharField(_("failure code"), max_length=64, blank=True, default="")
    decline_code = models.CharField(_("decline code"), max_length=64, blank=True, default="")

    total = MoneyField(_("total"), default=ZERO)
    delivery = MoneyField(_("delivery"), default=ZERO)
    tax = MoneyField(_("tax"), default=ZERO)
    captured_amount = MoneyField(_("captured"), default=ZERO)
    refunded_amount = MoneyField(_("refunded"), default=ZERO)

    objects: ClassVar[PaymentQuerySet[Any]] = PaymentQuerySet.as_manager()  # type: ignore[assignment]

    # Secret of the provider's object for the customer's browser; handed on after a call, never stored.
    client_secret: str = ""
    # Scheme and host of the return URLs while PAYMENT_HOST is not set; known only during a request.
    base_url: str = ""

    class Meta:
        abstract = True
        verbose_name = _("payment")
        verbose_name_plural = _("payments")
        ordering = ("-id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["owner", "-id"]),
            models.Index(fields=["status", "created"]),
        ]

    def __str__(self) -> str:
        return f"Payment {self.pk}: {self.display_amount()} ({self.status})"

    def save(self, **kwargs: Any) -> None:
        """Save without django-payments' query for a free token: the column is unique and its default random."""
        if not self.token:
            self.token = new_token()
        super().save(**kwargs)

    # Predicates; the queryset filters of the same names agree with them.

    @property
    def is_payable(self) -> bool:
        """Whether the customer can still pay."""
        return self.status in PAYABLE

    @property
    def is_preauthorized(self) -> bool:
        """Whether the payment waits for its capture."""
        return self.status == PaymentStatus.PREAUTH

    @property
    def is_confirmed(self) -> bool:
        """Whether the money was taken and not wholly given back."""
        return self.status == PaymentStatus.CONFIRMED

    @property
    def is_cancellable(self) -> bool:
        """Whether the payment can be cancelled or released."""
        return self.status in CANCELLABLE

    @property
    def is_refundable(self) -> bool:
        """Whether something can still be given back (refunds under way not counted)."""
        return self.is_confirmed and self.captured_amount > self.refunded_amount

    @property
    def is_partially_refunded(self) -> bool:
        """Whether a part was given back."""
        return self.is_confirmed and self.refunded_amount > 0

    def refundable_amount(self) -> Decimal:
        """Return what can still be given back: captured, less every refund that succeeded or is under way."""
        held = (RefundStatus.PENDING, RefundStatus.REQUIRES_ACTION, RefundStatus.SUCCEEDED)
        amounts = self.refunds.filter(status__in=held).values_list("amount", flat=True)
        return self.captured_amount - sum(amounts, ZERO)

    @property
    def stored_session(self) -> dict[str, Any]:
        """The Checkout Session as it was last heard of, empty if there is none."""
        try:
            session = json.loads(self.extra_data or "{}").get("session")
        except (ValueError, AttributeError):
            return {}
        return session if isinstance(session, dict) else {}

    @property
    def gateway_url(self) -> str:
        """Where the customer pays, while that is possible; empty otherwise."""
        return str(self.stored_session.get("url") or "") if self.is_payable else ""

    def display_amount(self) -> str:
        """Return the total with its currency, in the currency's precision."""
        return f"{format_amount(self.total, self.currency)} {self.currency}"

    # What django-payments asks of a payment.

    def get_purchased_items(self) -> Iterable[PurchasedItem]:
        """Return the lines that the customer sees at the provider; override to show your own.

        Their prices must add up to ``total`` less ``delivery`` and ``tax``; if they do not, one line with the total
        is shown instead, because the total is what will be charged.
        """
        name = self.description[:250] or (f"Order {self.order_id}" if self.order_id else f"Payment {self.pk}")
        price = self.total - self.delivery - self.tax
        yield PurchasedItem(name=name, quantity=1, price=price, currency=self.currency, sku=self.order_id)

    def get_success_url(self) -> str:
        """Return the signed URL that the provider sends a paying customer to."""
        return return_urls.success_url(self, self.base_url)

    def get_failure_url(self) -> str:
        """Return the signed URL that the provider sends a customer to who gave up."""
        return return_urls.failure_url(self, self.base_url)

    def capture(self, amount: Decimal | None = None) -> None:
        """Capture an authorised payment, wholly or in part.

        Raises:
            ValueError: the payment is not authorised, or the amount is not acceptable.
            payments.PaymentError: the provider refused or failed.
        """
        if not self._through_provider("capture", amount):
            super().capture(amount)

    def release(self) -> None:
        """Release an authorised payment; see ``capture`` for what is raised."""
        if not self._through_provider("release"):
            super().release()

    def refund(self, amount: Decimal | None = None) -> None:
        """Give back the payment, wholly or in part; see ``capture`` for what is raised."""
        if not self._through_provider("refund", amount):
            super().refund(amount)

    def cancel(self) -> None:
        """Cancel a payment that waits for its customer; see ``capture`` for what is raised."""
        if not self._through_provider("cancel"):
            super().cancel()

    def change_status(self, status: Any, message: str = "") -> None:
        """Move to ``status`` under the row's lock, along the transition table.

        For other providers of django-payments; the services do it themselves.

        Raises:
            WrongState: the table does not allow the move.
        """
        model = type(self)
        with transaction.atomic(using=router.db_for_write(model, instance=self)):
            current = model._default_manager.select_for_update().only("status").get(pk=self.pk).status
            if current != status and not can_transition(current, status):
                raise WrongState(f"A payment that is {current} cannot become {status}.")
            self.status = status
            self.message = message
            self.save(update_fields=["status", "message", "modified"])
        status_changed.send(sender=model, instance=self)

    def _through_provider(self, name: str, *args: Any) -> bool:
        """Call a provider of this app, which records the change itself; return False for any other provider."""
        provider = provider_factory(self.variant, self)
        if not getattr(provider, "records_changes", False):
            return False
        getattr(provider, name)(self, *args)
        self.refresh_from_db()
        return True


class Payment(AbstractPayment):
    """The payment model that is used unless ``PAYMENT_MODEL`` names another."""

    class Meta(AbstractPayment.Meta):
        swappable = "PAYMENT_MODEL"


