"""The outbox of e-mails to customers, and the cards whose expiry they are told of."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import MailKind, MailState
from django_stripe_gateway.models.customers import Customer
from django_stripe_gateway.models.invoices import Invoice
from django_stripe_gateway.models.subscriptions import Subscription


class MailMessageQuerySet(models.QuerySet["MailMessage"]):
    """Questions about e-mails."""

    def due(self, now: datetime | None = None) -> MailMessageQuerySet:
        """Return what waits to be sent, and is held by nobody at this moment."""
        return self.filter(state=MailState.PENDING, next_attempt__lte=now or timezone.now())

    def lapsed(self, now: datetime | None = None) -> MailMessageQuerySet:
        """Return what somebody began to hand over and has not finished in time."""
        return self.filter(state=MailState.SENDING, next_attempt__lte=now or timezone.now())


class MailMessage(models.Model):
    """One e-mail to a customer, stored in the transaction that changed what it tells.

    Whom it goes to, and in which language, is decided when it is sent; what it tells is read from the rows it is about.
    """

    kind = models.CharField(_("kind"), max_length=24, choices=MailKind.choices)
    # What happened, in words of its own: the constraint makes that one e-mail.
    key = models.CharField(max_length=191, unique=True, editable=False)
    state = models.CharField(_("state"), max_length=16, choices=MailState.choices, default=MailState.PENDING)
    payment = models.ForeignKey(
        settings.PAYMENT_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("payment"),
    )
    customer = models.ForeignKey(
        Customer, null=True, blank=True, on_delete=models.CASCADE, related_name="+", verbose_name=_("customer")
    )
    subscription = models.ForeignKey(
        Subscription, null=True, blank=True, on_delete=models.CASCADE, related_name="+", verbose_name=_("subscription")
    )
    invoice = models.ForeignKey(
        Invoice, null=True, blank=True, on_delete=models.CASCADE, related_name="+", verbose_name=_("invoice")
    )
    # What the rows do not tell afterwards: amounts and dates, nothing personal.
    data = models.JSONField(_("data"), default=dict, blank=True)
    recipient = models.EmailField(_("recipient"), blank=True, default="")
    language = models.CharField(_("language"), max_length=16, blank=True, default="")
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    # When it is tried next; while somebody holds it, when their lease ends.
    next_attempt = models.DateTimeField(_("next attempt"), default=timezone.now)
    # What went wrong: a class and a server's code, never its words, which may hold an address.
    error = models.CharField(_("error"), max_length=128, blank=True, default="")
    # From when on it gets too old to be sent.
    queued = models.DateTimeField(_("queued"), default=timezone.now)
    sent = models.DateTimeField(_("sent"), null=True, blank=True)
    created = models.DateTimeField(_("created"), default=timezone.now)

    objects = MailMessageQuerySet.as_manager()

    class Meta:
        verbose_name = _("e-mail")
        verbose_name_plural = _("e-mails")
        ordering = ("-id",)
        permissions: ClassVar[list[tuple[str, Any]]] = [("send_mail_again", _("Can send e-mails again"))]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["state", "next_attempt"], name="dsg_mail_state_next"),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.state})"


class KnownCard(models.Model):
    """When a customer's card expires, as the provider has said; kept only where somebody is told of it."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="+", verbose_name=_("customer"))
    variant = models.CharField(_("variant"), max_length=64)
    provider_id = models.CharField(_("payment method"), max_length=255)
    brand = models.CharField(_("brand"), max_length=32, blank=True, default="")
    last4 = models.CharField(_("last four digits"), max_length=4, blank=True, default="")
    # The last day on which it can be charged; empty for what is no card.
    expires = models.DateField(_("expires"), null=True, blank=True, db_index=True)
    # The expiry that its customer was told of.
    announced = models.DateField(null=True, blank=True, editable=False)
    # The provider's time of what is known.
    said = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("known card")
        verbose_name_plural = _("known cards")
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["provider_id", "variant"], name="dsg_card_provider_once"),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id} ({self.expires})"
