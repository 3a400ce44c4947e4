"""The items of a subscription: its plan, its add-ons, what a meter counts, and what nobody here knows."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import DAYS_OF_INTERVAL, SubscriptionItemKind
from django_stripe_gateway.models.fields import UnitAmountField
from django_stripe_gateway.models.plans import Plan, PlanPricing
from django_stripe_gateway.models.subscriptions import Subscription


def daily_amount(amount: Decimal | None, interval: str, interval_count: int, quantity: int) -> Decimal:
    """Return what so many of a price cost a day; months count 30 days, and what has no single amount is nothing."""
    return (amount or Decimal(0)) * quantity / (DAYS_OF_INTERVAL.get(interval, 30) * interval_count)


def plan_rank(
    *,
    is_metered: bool,
    amount: Decimal | None,
    interval: str,
    interval_count: int,
    quantity: int,
    subscription_pk: int,
    item_id: str,
) -> tuple[bool, Decimal, int, str]:
    """Return what the plans of an owner are compared by; the greatest is the one that they have.

    One price by quantity before one by use, then the dearest by the day, then the newest subscription; the item's id
    decides between equals. Amounts of several currencies are compared as numbers.
    """
    return not is_metered, daily_amount(amount, interval, interval_count, quantity), subscription_pk, item_id


class SubscriptionItem(models.Model):
    """One price that a subscription is charged; follows the provider like its subscription.

    The plan is the one that sells the price, else the one whose product the price is of: a price that was negotiated
    for one customer carries the plan too.
    """

    subscription = models.ForeignKey(
        Subscription, on_delete=models.CASCADE, related_name="items", verbose_name=_("subscription")
    )
    provider_id = models.CharField(_("item"), max_length=255)
    kind = models.CharField(
        _("kind"), max_length=16, choices=SubscriptionItemKind.choices, default=SubscriptionItemKind.UNKNOWN
    )
    plan = models.ForeignKey(
        Plan, null=True, blank=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("plan")
    )
    pricing = models.ForeignKey(
        PlanPricing, null=True, blank=True, on_delete=models.PROTECT, related_name="items", verbose_name=_("price")
    )
    price_id = models.CharField(_("price at the provider"), max_length=255, blank=True, default="")
    product_id = models.CharField(_("product at the provider"), max_length=255, blank=True, default="")
    # Empty where the price has no single amount: in tiers, or chosen by the customer; and where that is not told: of a
    # price that can be had in several currencies, in another than the one that it is listed in.
    amount = UnitAmountField(_("amount"), null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True, default="")
    interval = models.CharField(_("interval"), max_length=8, blank=True, default="")
    interval_count = models.PositiveSmallIntegerField(_("intervals"), default=1)
    is_metered = models.BooleanField(_("metered"), default=False)
    quantity = models.PositiveIntegerField(_("quantity"), default=1)
    current_period_start = models.DateTimeField(_("period starts"), null=True, blank=True)
    current_period_end = models.DateTimeField(_("period ends"), null=True, blank=True)
    # By the provider's clock: we can hear of it later.
    added_at = models.DateTimeField(null=True, blank=True, editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    class Meta:
        verbose_name = _("item of a subscription")
        verbose_name_plural = _("items of subscriptions")
        ordering = ("subscription", "provider_id")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["subscription", "provider_id"], name="dsg_item_provider_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            # What was unknown is found again when the catalogue learns of it.
            models.Index(fields=["kind"], name="dsg_item_kind"),
        ]

    def __str__(self) -> str:
        pricing = None if self.is_in_other_currency else self.pricing
        return f"{self.quantity} x {pricing or self.price_id or self.provider_id}"

    @property
    def daily_amount(self) -> Decimal:
        """What it costs a day: by this the plan of a subscription is told apart where it has several."""
        return daily_amount(self._compared_amount, self.interval, self.interval_count, self.quantity)

    @property
    def rank(self) -> tuple[bool, Decimal, int, str]:
        """What it is compared with other plans by."""
        return plan_rank(
            is_metered=self.is_metered,
            amount=self._compared_amount,
            interval=self.interval,
            interval_count=self.interval_count,
            quantity=self.quantity,
            subscription_pk=self.subscription_id or 0,
            item_id=self.provider_id,
        )

    @property
    def is_in_other_currency(self) -> bool:
        """Whether its price, which can be had in several currencies, is charged in another than the catalogue says."""
        return self.pricing is not None and self.currency not in ("", self.pricing.currency)

    @property
    def _compared_amount(self) -> Decimal | None:
        """What one unit costs, as ``with_price`` has it: where that is not known, what the catalogue says."""
        amount: Decimal | None = self.amount
        return self.pricing.amount if amount is None and self.pricing is not None else amount
