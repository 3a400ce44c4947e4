"""The gateways that customers may pay through."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


class PaymentGatewayConfigQuerySet(models.QuerySet["PaymentGatewayConfig"]):
    """Questions about gateways."""

    def active(self) -> PaymentGatewayConfigQuerySet:
        """Return the gateways that take payments; never one of a seller, whom ``create_payment(account=…)`` names."""
        return self.filter(~Q(variant__contains=":acct_"), is_active=True)

    def named(self, name: str) -> PaymentGatewayConfigQuerySet:
        """Return the gateways called ``name``, in any case, or that stand for the variant ``name``; best first."""
        closeness = models.Case(
            models.When(name=name, then=0),
            models.When(name__iexact=name, then=1),
            default=2,
            output_field=models.IntegerField(),
        )
        found = self.filter(models.Q(name__iexact=name) | models.Q(variant=name))
        return found.order_by(closeness, "-is_default", "pk")


class PaymentGatewayConfig(models.Model):
    """A name that customers see, and the entry of ``PAYMENT_VARIANTS`` behind it. Secrets stay in the settings."""

    name = models.CharField(_("name"), max_length=64, unique=True)
    variant = models.CharField(
        _("variant"), max_length=64, help_text=_("A key of the PAYMENT_VARIANTS setting, such as “stripe”.")
    )
    description = models.CharField(_("description"), max_length=255, blank=True, default="")
    is_active = models.BooleanField(_("active"), default=True)
    is_default = models.BooleanField(_("default"), default=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = PaymentGatewayConfigQuerySet.as_manager()

    class Meta:
        verbose_name = _("payment gateway")
        verbose_name_plural = _("payment gateways")
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name
