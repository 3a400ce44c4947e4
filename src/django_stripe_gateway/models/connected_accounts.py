"""Connected accounts: whom a platform takes payments for, and how far each has come with the provider."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models, router
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Concat
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.accounts import Account
from django_stripe_gateway.conf import gateway_settings, seller_variant
from django_stripe_gateway.conf.variants import resolve_sellers_with
from django_stripe_gateway.models.provider_accounts import (
    AccountQuerySet,
    OfAccount,
    current_account,
    of_current_accounts,
)


class ConnectedAccountQuerySet(AccountQuerySet["ConnectedAccount"]):
    """Questions about connected accounts."""

    def for_owner(self, owner: Any) -> ConnectedAccountQuerySet:
        """Return the accounts of one owner, one for each platform account."""
        return self.filter(owner=owner)

    def of_configured_account(self) -> ConnectedAccountQuerySet:
        """See ``AccountQuerySet``."""
        return self.filter(of_current_accounts())

    def connected(self) -> ConnectedAccountQuerySet:
        """Return the accounts that exist at the provider and have not left the platform."""
        return self.filter(provider_id__isnull=False, deauthorized__isnull=True)

    def payable(self) -> ConnectedAccountQuerySet:
        """Return the accounts that payments can be taken for."""
        return self.connected().filter(charges_enabled=True)

    def of_platform(self, platform: Account | None) -> ConnectedAccountQuerySet:
        """Return those that are connected to an account; none while nobody knows for certain which one that is."""
        if platform is None or not platform.account_id or platform.named_id:
            return self.none()
        return self.connected().filter(livemode=platform.livemode, account_id=platform.account_id)


class ConnectedAccount(OfAccount):
    """A seller's account (``acct_…``), connected to the platform's, which ``variant`` names.

    ``livemode`` and ``account_id`` are the platform's. The row is made before the provider is asked; its lock keeps two
    requests for one owner apart.
    """

    owner = models.ForeignKey(
        settings.STRIPE_GATEWAY_OWNER_MODEL,
        verbose_name=_("owner"),
        null=True,
        blank=True,
        # The provider's records outlive the owner.
        on_delete=models.SET_NULL,
        related_name="+",
    )
    variant = models.CharField(_("variant"), max_length=64)
    provider_id = models.CharField(_("account"), max_length=255, null=True, blank=True)
    country = models.CharField(_("country"), max_length=2, blank=True, default="")
    default_currency = models.CharField(_("default currency"), max_length=3, blank=True, default="")
    charges_enabled = models.BooleanField(_("takes payments"), default=False)
    payouts_enabled = models.BooleanField(_("is paid out"), default=False)
    details_submitted = models.BooleanField(_("details submitted"), default=False)
    # The provider's names of what it wants to know, and since when nothing is taken without: no personal data.
    currently_due = models.JSONField(_("due now"), default=list, blank=True)
    disabled_reason = models.CharField(_("disabled because"), max_length=64, blank=True, default="")
    # When its owner took the platform's rights away.
    deauthorized = models.DateTimeField(_("left the platform"), null=True, blank=True)
    # See Subscription.provider_time.
    provider_time = models.DateTimeField(null=True, blank=True, editable=False)
    fetched_at = models.DateTimeField(null=True, blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = ConnectedAccountQuerySet.as_manager()

    class Meta:
        verbose_name = _("connected account")
        verbose_name_plural = _("connected accounts")
        ordering = ("-id",)
        permissions: ClassVar[list[tuple[str, Any]]] = [("onboard_account", _("Can connect accounts of sellers"))]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["owner", "variant", "livemode", "account_id"], name="dsg_connected_owner_once"
            ),
            models.UniqueConstraint(fields=["provider_id", "variant"], name="dsg_connected_provider_once"),
        ]

    def __str__(self) -> str:
        return self.provider_id or f"connected account {self.pk}"

    # Predicates; the queryset filters of the same names agree with them.

    @property
    def is_connected(self) -> bool:
        """Whether it exists at the provider and has not left the platform."""
        return bool(self.provider_id) and self.deauthorized is None

    @property
    def is_payable(self) -> bool:
        """Whether payments can be taken for it."""
        return self.is_connected and self.charges_enabled

    @property
    def is_onboarded(self) -> bool:
        """Whether its owner has told the provider all that it wants to know now."""
        return self.is_connected and self.details_submitted and not self.currently_due


def is_connected_to(platform: str, account_id: str) -> bool:
    """Return whether a seller's account is connected to the one that a payment variant stands for now."""
    # Where it is written: a seller who has left is gone at once, whatever a replica knows.
    rows = ConnectedAccount.objects.using(router.db_for_write(ConnectedAccount))
    return rows.of_platform(current_account(platform)).filter(provider_id=account_id).exists()


def of_sellers() -> Q:
    """Return the condition for rows that were made on accounts of sellers who are connected now."""
    found = Q(pk__in=())
    for name in gateway_settings.variants.platforms():
        platform = current_account(name)
        if platform is not None:
            sellers = ConnectedAccount.objects.of_platform(platform).filter(provider_id=OuterRef("account_id"))
            variant = Concat(Value(seller_variant(name, "")), F("account_id"))
            found |= Q(Exists(sellers), variant=variant, livemode=platform.livemode)
    return found


resolve_sellers_with(is_connected_to)
