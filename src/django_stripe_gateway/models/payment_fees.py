"""What a provider has kept of a payment, as it said when it was asked."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.models.fields import MoneyField


class PaymentFees(models.Model):
    """How a payment was booked on the seller's account; for the seller's eyes only.

    All amounts are in ``currency``, that of the account which the payment was settled to. Asked for when somebody wants
    to know, and then kept: a booking does not change. Those of refunds are added to, so that ``refunded_amount`` says
    about which of the payment's refunds they are.
    """

    payment = models.OneToOneField(settings.PAYMENT_MODEL, on_delete=models.CASCADE, related_name="fees")
    currency = models.CharField(_("currency"), max_length=3)
    amount = MoneyField(_("amount"))
    fee = MoneyField(_("fee"))
    net = MoneyField(_("net"))
    exchange_rate = models.DecimalField(_("exchange rate"), max_digits=19, decimal_places=9, null=True, blank=True)
    available_on = models.DateTimeField(_("available on"), null=True, blank=True)
    # [{"kind": …, "amount": "0.59", "currency": "USD", "description": …}]
    details = models.JSONField(_("details"), default=list, blank=True)
    refund_fee = MoneyField(_("fee of refunds"), null=True, blank=True)
    refund_net = MoneyField(_("net of refunds"), null=True, blank=True)
    refunded_amount = MoneyField(_("refunded"), null=True, blank=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    class Meta:
        verbose_name = _("fees")
        verbose_name_plural = _("fees")

    def __str__(self) -> str:
        return f"fees of payment {self.payment_id}"
