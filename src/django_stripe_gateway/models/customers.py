"""Customers: who is billed, in each account of the provider."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class CustomerQuerySet(models.QuerySet["Customer"]):
    """Questions about customers."""

    def for_owner(self, owner: Any) -> CustomerQuerySet:
        """Return the customers that stand for one owner, one for each account."""
        return self.filter(owner=owner)

    def with_changed_details(self) -> CustomerQuerySet:
        """Return the customers whose owner was saved since their details were sent."""
        return self.filter(details_changed__isnull=False, provider_id__isnull=False, deleted__isnull=True)


class Customer(models.Model):
    """An owner (a user, or whatever ``STRIPE_GATEWAY_OWNER_MODEL`` names) as one account knows it.

    The row is made before the provider is asked; its lock keeps two requests of one owner apart.
    """

    owner = models.ForeignKey(
        settings.STRIPE_GATEWAY_OWNER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        # The provider's records outlive the user.
        on_delete=models.SET_NULL,
        related_name="+",
    )
    variant = models.CharField(_("variant"), max_length=64)
    provider_id = models.CharField(_("customer"), max_length=255, null=True, blank=True)
    # Ids of those that the provider has deleted; events about what they had subscribed to keep naming them.
    former_ids = models.JSONField(default=list, blank=True, editable=False)
    livemode = models.BooleanField(_("live mode"), default=False)
    default_payment_method = models.CharField(_("payment method"), max_length=255, blank=True, default="")
    # What was last sent of the owner's details, as a digest: enough to see that they have changed.
    details_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    # When the owner was saved since; cleared once the provider has the details.
    details_changed = models.DateTimeField(null=True, blank=True, editable=False, db_index=True)
    deleted = models.DateTimeField(_("deleted at the provider"), null=True, blank=True)
    # See Subscription.provider_time.
    provider_time = models.DateTimeField(null=True, blank=True, editable=False)
    fetched_at = models.DateTimeField(null=True, blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = CustomerQuerySet.as_manager()

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ("-id",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "variant"], name="dsg_customer_owner_once"),
            models.UniqueConstraint(fields=["provider_id", "variant"], name="dsg_customer_provider_once"),
        ]

    def __str__(self) -> str:
        return self.provider_id or f"customer {self.pk}"

    @property
    def exists_at_provider(self) -> bool:
        """Whether the provider can bill it."""
        return bool(self.provider_id) and self.deleted is None

    def is_known_as(self, provider_id: str) -> bool:
        """Return whether ``provider_id`` is, or was, the provider's name of this customer."""
        return provider_id == self.provider_id or provider_id in self.former_ids
