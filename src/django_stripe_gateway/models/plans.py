"""The catalogue: what customers can subscribe to, what it costs, and what it allows."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import LimitPeriod, PlanInterval, PriceUsage
from django_stripe_gateway.models.fields import UnitAmountField
from django_stripe_gateway.models.provider_accounts import AccountQuerySet, OfAccount, of_current_accounts
from django_stripe_gateway.money import display_amount


class PlanQuerySet(models.QuerySet["Plan"]):
    """Questions about plans."""

    def active(self) -> PlanQuerySet:
        """Return the plans and add-ons that are offered."""
        return self.filter(is_active=True)

    def offered(self, variant: str) -> PlanQuerySet:
        """Return what everybody may see: what is active, but for plans that are sold at negotiated prices only."""
        prices = PlanPricing.objects.sold().filter(plan=models.OuterRef("pk"), variant=variant)
        is_public = models.Exists(prices.filter(is_public=True))
        return self.active().filter(is_public | ~models.Exists(prices))

    def add_ons(self) -> PlanQuerySet:
        """Return what is sold beside a plan."""
        return self.filter(is_add_on=True)

    def plans(self) -> PlanQuerySet:
        """Return what is subscribed to by itself."""
        return self.filter(is_add_on=False)

    def default(self) -> Plan | None:
        """Return the plan of everybody without a subscription."""
        return self.filter(is_default=True, is_active=True).order_by("pk").first()


class Plan(models.Model):
    """One thing that customers subscribe to, or add to what they have subscribed to; a Product at Stripe."""

    slug = models.SlugField(_("key"), max_length=64, unique=True, help_text=_("The plan's name in code: “premium”."))
    name = models.CharField(_("name"), max_length=128)
    description = models.TextField(_("description"), blank=True, default="")
    auto_renew = models.BooleanField(
        _("renews"), default=True, help_text=_("A plan that does not renew ends after the period that was paid for.")
    )
    is_default = models.BooleanField(
        _("default"), default=False, help_text=_("Its limits apply to everybody without a subscription.")
    )
    is_add_on = models.BooleanField(
        _("add-on"), default=False, help_text=_("Sold beside a plan, in the same subscription.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    position = models.PositiveSmallIntegerField(_("position"), default=0)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = PlanQuerySet.as_manager()

    class Meta:
        verbose_name = _("plan")
        verbose_name_plural = _("plans")
        ordering = ("position", "id")

    def __str__(self) -> str:
        return self.name


class PlanPricingQuerySet(AccountQuerySet["PlanPricing"]):
    """Questions about prices."""

    def of_configured_account(self) -> PlanPricingQuerySet:
        """Return the prices of the accounts that are configured now, those included that no account has yet."""
        unpublished = models.Q(stripe_price_id=None, stripe_product_id="", meter_id="")
        return self.filter(of_current_accounts() | unpublished)

    def active(self) -> PlanPricingQuerySet:
        """Return the prices that are offered, and not what was replaced and is still sold."""
        return self.filter(is_active=True)

    def sold(self) -> PlanPricingQuerySet:
        """Return the prices that somebody can be charged in the configured account, now or when it has them.

        What was replaced is sold until the provider has the price that takes its place.
        """
        stands_in = models.Q(is_active=False, replaced_by__is_active=True, replaced_by__stripe_price_id=None)
        return self.of_configured_account().filter(models.Q(is_active=True) | stands_in)

    def sellable(self) -> PlanPricingQuerySet:
        """Return the prices that somebody can be charged by now: the provider has them."""
        return self.sold().exclude(stripe_price_id=None)

    def on_sale(self) -> PlanPricingQuerySet:
        """Return the prices that everybody may choose by now, those that were negotiated with one customer left out."""
        return self.sellable().filter(is_public=True)


class PlanPricing(OfAccount):
    """One price of a plan, in one account; a Price at Stripe, which cannot be changed, only replaced.

    ``stripe_price_id`` also keeps the id of a legacy Plan, where there are no Prices (localstripe).
    """

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="pricing", verbose_name=_("plan"))
    # The payment variant that sells it.
    variant = models.CharField(_("variant"), max_length=64, default="stripe")
    amount = UnitAmountField(_("amount"))
    currency = models.CharField(_("currency"), max_length=3)
    interval = models.CharField(_("interval"), max_length=8, choices=PlanInterval.choices, default=PlanInterval.MONTH)
    interval_count = models.PositiveSmallIntegerField(_("intervals"), default=1)
    trial_days = models.PositiveSmallIntegerField(_("days of trial"), default=0)
    is_per_seat = models.BooleanField(_("per seat"), default=False)
    usage_type = models.CharField(
        _("multiplied by"), max_length=8, choices=PriceUsage.choices, default=PriceUsage.LICENSED
    )
    metric = models.SlugField(
        _("metric"), max_length=64, blank=True, default="", help_text=_("What a metered price counts: “minutes”.")
    )
    meter_id = models.CharField(_("meter at the provider"), max_length=255, blank=True, default="")
    lookup_key = models.CharField(
        _("lookup key"), max_length=200, blank=True, default="", help_text=_("Another name of the price at Stripe.")
    )
    is_default = models.BooleanField(
        _("default"), default=False, help_text=_("Taken where no price of this plan and currency is named.")
    )
    is_public = models.BooleanField(
        _("public"), default=True, help_text=_("Everybody may choose it; otherwise it is for whom you sell it to.")
    )
    may_be_added = models.BooleanField(
        _("customers may add it"), default=False, help_text=_("Of an add-on: customers add and remove it themselves.")
    )
    is_active = models.BooleanField(_("active"), default=True)
    stripe_price_id = models.CharField(_("price at Stripe"), max_length=255, null=True, blank=True)
    stripe_product_id = models.CharField(_("product at Stripe"), max_length=255, blank=True, default="")
    # What takes its place once the provider has that.
    replaced_by = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = PlanPricingQuerySet.as_manager()

    class Meta:
        verbose_name = _("price")
        verbose_name_plural = _("prices")
        ordering = ("plan", "amount", "id")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["stripe_price_id", "variant"], name="dsg_pricing_price_once"),
            models.CheckConstraint(condition=models.Q(interval_count__gte=1), name="dsg_pricing_interval_count"),
            models.CheckConstraint(condition=models.Q(amount__gte=0), name="dsg_pricing_amount"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["stripe_product_id", "variant"], name="dsg_pricing_product"),
        ]

    def __str__(self) -> str:
        every = f"{self.interval_count} {self.interval}s" if self.interval_count > 1 else self.interval
        counted = f" ({self.metric or self.usage_type})" if self.is_metered else ""
        return f"{display_amount(self.amount, self.currency)} / {every}{counted}"

    @property
    def is_published(self) -> bool:
        """Whether some account has something that was made for it."""
        return bool(self.stripe_price_id or self.stripe_product_id or self.meter_id)

    @property
    def is_of_configured_account(self) -> bool:
        """Whether it is of the account that its variant stands for now, or of none yet."""
        return not self.is_published or super().is_of_configured_account

    @property
    def is_sold(self) -> bool:
        """Whether somebody can subscribe at it in the configured account, now or when that has it."""
        return (self.is_active or self.is_standing_in) and self.is_of_configured_account

    @property
    def is_standing_in(self) -> bool:
        """Whether it was replaced, and is sold until the provider has the price that takes its place."""
        successor = self.replaced_by
        return not self.is_active and successor is not None and successor.is_active and not successor.stripe_price_id

    @property
    def is_metered(self) -> bool:
        """Whether what was used is charged, and no quantity."""
        return self.usage_type == PriceUsage.METERED

    @property
    def is_free(self) -> bool:
        """Whether nothing is charged."""
        return not self.amount


class PlanLimit(models.Model):
    """How much of something a plan allows.

    ``limit`` counts whole units in each period, and empty means without limit. A feature that a plan has or has not is
    a limit of 1 or 0 whose period never ends.
    """

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="limits", verbose_name=_("plan"))
    metric = models.SlugField(_("metric"), max_length=64, help_text=_("What is counted: “minutes”, “seats”."))
    limit = models.PositiveBigIntegerField(_("limit"), null=True, blank=True, help_text=_("Empty for no limit."))
    period = models.CharField(_("period"), max_length=16, choices=LimitPeriod.choices, default=LimitPeriod.DAY)
    is_per_unit = models.BooleanField(
        _("per unit"), default=False, help_text=_("So much for each seat, or each unit of an add-on.")
    )
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    class Meta:
        verbose_name = _("limit")
        verbose_name_plural = _("limits")
        ordering = ("plan", "id")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["plan", "metric"], name="dsg_limit_metric_once"),
        ]

    def __str__(self) -> str:
        return f"{self.metric}: {'∞' if self.is_unlimited else self.limit} / {self.period}"

    @property
    def is_unlimited(self) -> bool:
        """Whether everything is allowed."""
        return self.limit is None
