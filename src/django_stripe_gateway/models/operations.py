"""Operations: what we are about to ask a provider, committed before it is asked."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import (
    BillingOperationKind,
    CatalogueOperationKind,
    ConnectOperationKind,
    OperationKind,
    OperationState,
)
from django_stripe_gateway.models.fields import MoneyField


def new_idempotency_key() -> str:
    """Return a fresh key for a call to a provider."""
    return str(uuid.uuid4())


Operation = TypeVar("Operation", bound=models.Model)


class OperationQuerySet(models.QuerySet[Operation]):
    """Questions about operations."""

    def pending(self) -> OperationQuerySet[Operation]:
        """Return the operations whose outcome is not known."""
        return self.filter(state=OperationState.PENDING)

    def abandoned(self, now: datetime | None = None) -> OperationQuerySet[Operation]:
        """Return the pending operations that nobody is working on: their process died or the provider was silent."""
        return self.pending().filter(leased_until__lt=now or timezone.now())


class AbstractOperation(models.Model):
    """One thing asked of the provider, with the idempotency key that every attempt at it carries.

    What it is about has at most one pending operation (held by that row's lock). ``leased_until`` says until when the
    process that started it may still be waiting for the answer; after that the next request or a reconciliation takes
    it over and ends in the same state, with one effect.
    """

    # Each table's own column, with its own choices.
    kind: Any

    state = models.CharField(_("state"), max_length=16, choices=OperationState.choices, default=OperationState.PENDING)
    idempotency_key = models.CharField(_("idempotency key"), max_length=64, unique=True, default=new_idempotency_key)
    # The caller's own key, scoped to owner and endpoint: finds the operation again when the caller repeats.
    request_key = models.CharField(max_length=64, unique=True, null=True, blank=True, editable=False)
    # What the call needs beside the payment, so that a repeat sends the same bytes.
    params = models.JSONField(default=dict, blank=True, editable=False)
    # What the call made at the provider: it distinguishes events about earlier attempts from strangers'.
    object_id = models.CharField(_("object"), max_length=255, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    leased_until = models.DateTimeField(_("leased until"))
    error = models.JSONField(_("error"), default=dict, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.kind} ({self.state})"

    @property
    def is_pending(self) -> bool:
        """Whether the provider's answer is not known."""
        return self.state == OperationState.PENDING

    def is_leased(self, now: datetime) -> bool:
        """Return whether a process may still be waiting for the provider's answer."""
        return self.is_pending and self.leased_until > now


class PaymentOperation(AbstractOperation):
    """One thing asked of the provider about a payment."""

    payment = models.ForeignKey(
        settings.PAYMENT_MODEL, on_delete=models.PROTECT, related_name="operations", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=16, choices=OperationKind.choices)
    amount = MoneyField(_("amount"), null=True, blank=True)
    # What the caller asked for: empty for "all that there is".
    requested_amount = MoneyField(null=True, blank=True, editable=False)

    objects: ClassVar[OperationQuerySet[PaymentOperation]] = OperationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("payment operation")
        verbose_name_plural = _("payment operations")
        ordering = ("id",)
        # Here, because a host can have a payment model of its own, under another app's name.
        permissions: ClassVar[list[tuple[str, Any]]] = [
            ("capture_payment", _("Can capture payments")),
            ("cancel_payment", _("Can cancel and release payments")),
            ("refund_payment", _("Can refund payments")),
            ("decide_unexpected", _("Can accept unexpected money or give it back")),
            ("ask_provider", _("Can bring rows in step with the provider")),
            ("resume_operation", _("Can resume what the provider has not answered")),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["payment", "state"], name="dsg_operation_payment_state"),
            models.Index(fields=["state", "leased_until"], name="dsg_operation_state_lease"),
        ]


class BillingOperation(AbstractOperation):
    """One thing asked of the provider about a customer, or about what they have subscribed to.

    A customer has at most one pending operation, so that two requests of one owner never start two subscriptions.
    """

    customer = models.ForeignKey(
        "django_stripe_gateway.Customer", on_delete=models.PROTECT, related_name="operations", db_index=False
    )
    subscription = models.ForeignKey(
        "django_stripe_gateway.Subscription", null=True, blank=True, on_delete=models.PROTECT, related_name="operations"
    )
    kind = models.CharField(_("kind"), max_length=24, choices=BillingOperationKind.choices)

    objects: ClassVar[OperationQuerySet[BillingOperation]] = OperationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("billing operation")
        verbose_name_plural = _("billing operations")
        ordering = ("id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["customer", "state"], name="dsg_billing_op_customer"),
            models.Index(fields=["state", "leased_until"], name="dsg_billing_op_lease"),
        ]


class CatalogueOperation(AbstractOperation):
    """One thing asked of the provider about a plan, in the account of one variant.

    A plan has at most one pending operation in each account, so that two pushes never make two products there, or two
    prices of one row, and an account that cannot be asked holds up no other.
    """

    plan = models.ForeignKey(
        "django_stripe_gateway.Plan", on_delete=models.PROTECT, related_name="operations", db_index=False
    )
    pricing = models.ForeignKey(
        "django_stripe_gateway.PlanPricing", null=True, blank=True, on_delete=models.PROTECT, related_name="operations"
    )
    # The payment variant whose account is asked.
    variant = models.CharField(_("variant"), max_length=64)
    kind = models.CharField(_("kind"), max_length=16, choices=CatalogueOperationKind.choices)

    objects: ClassVar[OperationQuerySet[CatalogueOperation]] = OperationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("catalogue operation")
        verbose_name_plural = _("catalogue operations")
        ordering = ("id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["plan", "variant", "state"], name="dsg_catalogue_op_plan"),
            models.Index(fields=["state", "leased_until"], name="dsg_catalogue_op_lease"),
        ]


class ConnectOperation(AbstractOperation):
    """One thing asked of the provider about a seller's account, which has at most one pending operation."""

    connected_account = models.ForeignKey(
        "django_stripe_gateway.ConnectedAccount", on_delete=models.PROTECT, related_name="operations", db_index=False
    )
    kind = models.CharField(_("kind"), max_length=16, choices=ConnectOperationKind.choices)

    objects: ClassVar[OperationQuerySet[ConnectOperation]] = OperationQuerySet.as_manager()  # type: ignore[assignment]

    class Meta:
        verbose_name = _("connect operation")
        verbose_name_plural = _("connect operations")
        ordering = ("id",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["connected_account", "state"], name="dsg_connect_op_account"),
            models.Index(fields=["state", "leased_until"], name="dsg_connect_op_lease"),
        ]
