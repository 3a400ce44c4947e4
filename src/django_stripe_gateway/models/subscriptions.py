"""Subscriptions, as their provider sees them."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.db import models
from django.db.models import ExpressionWrapper, F, FilteredRelation, Q, Value
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.choices import SubscriptionStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models.customers import Customer
from django_stripe_gateway.models.plans import Plan, PlanPricing
from django_stripe_gateway.models.provider_accounts import AccountQuerySet, OfAccount, of_current_accounts
from django_stripe_gateway.transitions import ENDED_SUBSCRIPTIONS

PAYING = (SubscriptionStatus.ACTIVE, SubscriptionStatus.TRIALING)
INCOMPLETE = (SubscriptionStatus.STARTING, SubscriptionStatus.INCOMPLETE)
# No bank takes more than 14 of its days (https://docs.stripe.com/payments/sepa-debit).
DEBIT_DAYS = 21


def new_token() -> str:
    """Return an unguessable token, written into a subscription's metadata, by which its events find the row."""
    return str(uuid.uuid4())


def past_due_cutoff(now: datetime | None = None) -> datetime | None:
    """Return since when a subscription may be past due and still count; ``None`` when it may be for ever."""
    days = gateway_settings.past_due_grace_days
    return None if days is None else (now or timezone.now()) - timedelta(days=days)


def debit_time() -> timedelta:
    """Return how much longer a payment under way is waited for: that long at most, debits may fail for ever."""
    return timedelta(days=DEBIT_DAYS if gateway_settings.past_due_grace_days else 0)


class SubscriptionQuerySet(AccountQuerySet["Subscription"]):
    """Each filter stands for the predicate of the same name on the model."""

    def for_owner(self, owner: Any) -> SubscriptionQuerySet:
        """Return the subscriptions of one owner, in all variants."""
        return self.filter(customer__owner=owner)

    def valid(self) -> SubscriptionQuerySet:
        """Return the subscriptions that give what their plan promises."""
        return self.filter(self._valid())

    def with_price(self) -> SubscriptionQuerySet:
        """Return the subscriptions with what ``plan_rank`` compares, as ``plan_…``: of the item that is the plan.

        Where the provider's items are not known, it is what the catalogue says.
        """
        main = FilteredRelation("items", condition=Q(items__provider_id=F("item_id")))
        return self.annotate(main=main).annotate(
            plan_is_metered=Coalesce("main__is_metered", Value(False)),
            plan_amount=Coalesce("main__amount", "pricing__amount"),
            plan_interval=Coalesce("main__interval", "pricing__interval", Value("")),
            plan_interval_count=Coalesce("main__interval_count", "pricing__interval_count", Value(1)),
            plan_quantity=Coalesce("main__quantity", "quantity"),
        )

    def reachable(self) -> SubscriptionQuerySet:
        """Return the subscriptions that their provider knows in the account that is configured now."""
        return self.filter(of_current_accounts(), lost=None)

    def on_trial(self) -> SubscriptionQuerySet:
        """Return the subscriptions in their trial."""
        return self.filter(status=SubscriptionStatus.TRIALING)

    def on_grace_period(self) -> SubscriptionQuerySet:
        """Return the valid subscriptions that end with, or within, the period that was paid."""
        return self.filter(self._valid(), self._in_last_period())

    def recurring(self) -> SubscriptionQuerySet:
        """Return the valid subscriptions that will be charged again, those that end in a later period included."""
        return self.filter(self._valid()).exclude(self._in_last_period())

    def has_ended(self) -> SubscriptionQuerySet:
        """Return the subscriptions that are over."""
        return self.filter(status__in=ENDED_SUBSCRIPTIONS)

    def not_ended(self) -> SubscriptionQuerySet:
        """Return the subscriptions that are not over, those that wait for their first payment included."""
        return self.exclude(status__in=ENDED_SUBSCRIPTIONS)

    def orphaned(self) -> SubscriptionQuerySet:
        """Return the subscriptions that are not over though their customer's owner is gone."""
        return self.not_ended().filter(customer__in=Customer.objects.using(self.db).without_owner().order_by())

    def has_incomplete_payment(self) -> SubscriptionQuerySet:
        """Return the subscriptions whose customer has to pay or to authenticate."""
        return self.filter(status__in=(SubscriptionStatus.INCOMPLETE, SubscriptionStatus.PAST_DUE))

    def past_due(self) -> SubscriptionQuerySet:
        """Return the subscriptions whose last payment failed and is being tried again."""
        return self.filter(status=SubscriptionStatus.PAST_DUE)

    def paused(self) -> SubscriptionQuerySet:
        """Return the subscriptions that are paused, or whose collection is."""
        return self.filter(Q(status=SubscriptionStatus.PAUSED) | ~Q(pause_behavior=""))

    @staticmethod
    def _valid() -> Q:
        cutoff = past_due_cutoff()
        now = timezone.now()
        paying, late = Q(status__in=PAYING), Q(status=SubscriptionStatus.PAST_DUE, first_paid_at__isnull=False)
        if cutoff is not None:
            period = F("current_period_end") - F("current_period_start")
            unknown = Q(current_period_start__isnull=True) | Q(current_period_end__isnull=True)
            ends = ExpressionWrapper(Value(now, models.DateTimeField()) - period, models.DateTimeField())
            is_waited_for = Q(late_payment_under_way=True, past_due_since__gt=cutoff - debit_time())
            in_time = (Q(past_due_since__gt=cutoff) | is_waited_for) & (unknown | Q(past_due_since__gt=ends))
            late &= in_time
            paying &= ~Q(status=SubscriptionStatus.ACTIVE) | Q(past_due_since__isnull=True) | in_time
        valid = (paying | late) & of_current_accounts() & Q(lost=None)
        if gateway_settings.disputed_access != "keep":
            valid &= Q(disputed_until__isnull=True) | Q(disputed_until__lte=now)
        if gateway_settings.refunded_access != "keep":
            valid &= Q(refunded_until__isnull=True) | Q(refunded_until__lte=now)
        if gateway_settings.paused_is_valid:
            return valid
        on_trial = Q(status=SubscriptionStatus.TRIALING, trial_end__gt=now)
        return valid & (Q(was_paused=False) | Q(paid_until__gt=now) | on_trial)

    @staticmethod
    def _in_last_period() -> Q:
        dated = Q(cancel_at__isnull=False)
        unknown = Q(current_period_end__isnull=True)
        before = Q(current_period_end__isnull=False, cancel_at__lte=F("current_period_end"))
        return Q(cancel_at_period_end=True) | (dated & (unknown | before))


class Subscription(OfAccount):
    """One subscription of a customer; Stripe is the authority, and this row follows it.

    Change it through the services: they ask Stripe, hold the row's lock, keep the audit trail and send the signals.
    """

    customer = models.ForeignKey(
        Customer, on_delete=models.PROTECT, related_name="subscriptions", verbose_name=_("customer")
    )
    plan = models.ForeignKey(
        Plan, null=True, blank=True, on_delete=models.PROTECT, related_name="subscriptions", verbose_name=_("plan")
    )
    pricing = models.ForeignKey(
        PlanPricing,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="subscriptions",
        verbose_name=_("price"),
    )
    variant = models.CharField(_("variant"), max_length=64)
    provider_id = models.CharField(_("subscription"), max_length=255, null=True, blank=True)
    token = models.CharField(max_length=36, unique=True, default=new_token, editable=False)
    status = models.CharField(
        _("status"), max_length=24, choices=SubscriptionStatus.choices, default=SubscriptionStatus.STARTING
    )
    quantity = models.PositiveIntegerField(_("quantity"), default=1)
    price_id = models.CharField(_("price at the provider"), max_length=255, blank=True, default="")
    item_id = models.CharField(max_length=255, blank=True, default="", editable=False)
    cancel_at_period_end = models.BooleanField(_("cancels at period end"), default=False)
    cancel_at = models.DateTimeField(_("cancels at"), null=True, blank=True)
    # The date of a contract, or another that the seller has set: no request of the customer's takes it back. It stays
    # known while the customer lets the subscription end earlier.
    fixed_end = models.DateTimeField(_("agreed end"), null=True, blank=True)
    canceled_at = models.DateTimeField(_("cancelled"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    start = models.DateTimeField(_("started"), null=True, blank=True)
    current_period_start = models.DateTimeField(_("period starts"), null=True, blank=True)
    current_period_end = models.DateTimeField(_("period ends"), null=True, blank=True)
    # Since when each period has begun where the one before it ended; a change that cuts one short begins anew.
    periods_since = models.DateTimeField(null=True, blank=True, editable=False)
    trial_start = models.DateTimeField(_("trial starts"), null=True, blank=True)
    trial_end = models.DateTimeField(_("trial ends"), null=True, blank=True)
    past_due_since = models.DateTimeField(_("past due since"), null=True, blank=True)
    # Of what is late: paid by what takes days, such as a bank debit.
    late_payment_under_way = models.BooleanField(_("late payment under way"), default=False)
    # When money was paid for it first, by the provider's clock: who never paid anything has no time to pay late.
    first_paid_at = models.DateTimeField(_("first paid"), null=True, blank=True)
    # The latest period of its plan that was paid, or of which nothing was due. And whether collection is paused, or was
    # in a period that nobody has paid: then it is valid as far as it was paid, and no further.
    paid_from = models.DateTimeField(null=True, blank=True, editable=False)
    paid_until = models.DateTimeField(_("paid until"), null=True, blank=True)
    was_paused = models.BooleanField(_("valid as far as paid"), default=False)
    # How far the money is gone of what was paid for it: taken back by a bank, or wholly refunded.
    disputed_until = models.DateTimeField(_("disputed until"), null=True, blank=True)
    refunded_until = models.DateTimeField(_("refunded until"), null=True, blank=True)
    pause_behavior = models.CharField(_("paused"), max_length=24, blank=True, default="")
    pause_resumes_at = models.DateTimeField(_("pause ends"), null=True, blank=True)
    has_pending_update = models.BooleanField(_("change waits for its payment"), default=False)
    # What each item will be charged at once that is paid: the price by the item's id, both the provider's.
    pending_prices = models.JSONField(default=dict, blank=True, editable=False)
    latest_invoice_id = models.CharField(_("latest invoice"), max_length=255, blank=True, default="")
    default_payment_method = models.CharField(_("payment method"), max_length=255, blank=True, default="")
    # Why it ends: Stripe's feedback ("too_expensive"), the customer's words, and whose doing it was.
    cancellation_feedback = models.CharField(_("why it was cancelled"), max_length=32, blank=True, default="")
    cancellation_comment = models.TextField(_("comment on the cancellation"), blank=True, default="")
    cancellation_reason = models.CharField(_("cause of the cancellation"), max_length=32, blank=True, default="")
    # What becomes of a trial that ends without a payment method: "cancel", "create_invoice" or "pause".
    trial_end_behavior = models.CharField(_("trial without a card"), max_length=24, blank=True, default="")
    collection_method = models.CharField(_("collection"), max_length=24, blank=True, default="")
    days_until_due = models.PositiveIntegerField(_("days until due"), null=True, blank=True)
    # Coupons and promotion codes that lower what is charged: [{"coupon": …, "promotion_code": …, "ends": …}].
    discounts = models.JSONField(_("discounts"), default=list, blank=True)
    # The Subscription Schedule that holds what becomes of it later, and its next change.
    schedule_id = models.CharField(_("schedule"), max_length=255, blank=True, default="")
    scheduled_change_at = models.DateTimeField(_("changes at"), null=True, blank=True)
    scheduled_price_id = models.CharField(max_length=255, blank=True, default="", editable=False)
    scheduled_pricing = models.ForeignKey(
        PlanPricing, null=True, blank=True, on_delete=models.PROTECT, related_name="+", verbose_name=_("next price")
    )
    scheduled_quantity = models.PositiveIntegerField(_("next quantity"), null=True, blank=True)
    metadata = models.JSONField(_("metadata"), default=dict, blank=True)
    # The page of a subscription that is started through Checkout.
    checkout_id = models.CharField(_("Checkout Session"), max_length=255, blank=True, default="", db_index=True)
    # The provider's time of the newest event that was taken in, and our time of the last look: an event that is not
    # newer than both is looked up instead of believed.
    provider_time = models.DateTimeField(null=True, blank=True, editable=False)
    fetched_at = models.DateTimeField(null=True, blank=True, editable=False)
    # When the return page has asked the provider last.
    asked_on_return = models.DateTimeField(null=True, blank=True, editable=False)
    asked_in_vain = models.BooleanField(default=False, editable=False)
    # Since when the provider answers that it knows no such subscription, and since when that is certain.
    missing_since = models.DateTimeField(null=True, blank=True, editable=False)
    lost = models.DateTimeField(_("unknown at the provider"), null=True, blank=True)
    # When staff ended it here alone: what the provider says of it afterwards counts more.
    given_up = models.DateTimeField(_("given up"), null=True, blank=True)
    created = models.DateTimeField(_("created"), auto_now_add=True)
    modified = models.DateTimeField(_("modified"), auto_now=True)

    objects = SubscriptionQuerySet.as_manager()

    # Secret for the customer's browser, and what it confirms; handed on after a call, never stored.
    client_secret: str = ""
    client_secret_kind: str = ""
    gateway_url: str = ""

    class Meta:
        verbose_name = _("subscription")
        verbose_name_plural = _("subscriptions")
        ordering = ("-id",)
        permissions: ClassVar[list[tuple[str, Any]]] = [
            ("change_terms", _("Can change the terms of subscriptions")),
            ("give_up", _("Can give up on what its provider does not know")),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["provider_id", "variant"], name="dsg_subscription_provider_once"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["customer", "status"], name="dsg_sub_customer_status"),
            models.Index(fields=["status", "current_period_end"], name="dsg_sub_status_end"),
        ]

    def __str__(self) -> str:
        return f"{self.provider_id or f'subscription {self.pk}'} ({self.status})"

    # Predicates; the queryset filters of the same names agree with them.

    @property
    def is_reachable(self) -> bool:
        """Whether its provider knows it in the account that is configured now."""
        return self.lost is None and self.is_of_configured_account

    @property
    def is_valid(self) -> bool:
        """Whether it gives what its plan promises: active, in trial, or late within the time that is allowed.

        Nothing is allowed to who never paid for it, or by what the provider does not know in the configured account.
        What is paused, or was, is so as far as it was paid. What becomes of it when the money was taken back or
        refunded, ``STRIPE_GATEWAY_DISPUTED_ACCESS`` and ``STRIPE_GATEWAY_REFUNDED_ACCESS`` say.
        """
        return self.is_reachable and self._has_valid_status and self._is_paid_if_paused and self._is_money_here

    @property
    def _is_money_here(self) -> bool:
        gone = [self.disputed_until if gateway_settings.disputed_access != "keep" else None]
        gone.append(self.refunded_until if gateway_settings.refunded_access != "keep" else None)
        now = timezone.now()
        return all(until is None or until <= now for until in gone)

    @property
    def _has_valid_status(self) -> bool:
        if self.status == SubscriptionStatus.PAST_DUE:
            return self._is_late_in_time and self.first_paid_at is not None
        if self.status == SubscriptionStatus.ACTIVE and self.past_due_since is not None:
            # Another invoice was paid since; the one that is late is open all the same.
            return self._is_late_in_time
        return self.status in PAYING

    @property
    def _is_late_in_time(self) -> bool:
        """Whether it is late for no longer than is allowed: some days, and never more than a period of its plan.

        A payment that is under way is waited for.
        """
        now, since = timezone.now(), self.past_due_since
        cutoff = past_due_cutoff(now)
        if cutoff is None:
            return True
        if self.late_payment_under_way:
            cutoff -= debit_time()
        if self.current_period_start is not None and self.current_period_end is not None:
            cutoff = max(cutoff, now - (self.current_period_end - self.current_period_start))
        return since is not None and since > cutoff

    @property
    def _is_paid_if_paused(self) -> bool:
        if not self.was_paused or gateway_settings.paused_is_valid:
            return True
        ends = (self.paid_until, self.trial_end if self.on_trial else None)
        return any(end is not None and end > timezone.now() for end in ends)

    @property
    def on_trial(self) -> bool:
        """Whether it is in its trial."""
        return self.status == SubscriptionStatus.TRIALING

    @property
    def is_cancelled(self) -> bool:
        """Whether it is over, or will be without being charged again."""
        return self.has_ended or self._is_in_last_period

    @property
    def on_grace_period(self) -> bool:
        """Whether it is valid and ends with, or within, the period that was paid."""
        return self.is_valid and self._is_in_last_period

    @property
    def ends_as_agreed(self) -> bool:
        """Whether it ends on the date of a contract, or on another that no request of the customer's has set."""
        return self.cancel_at is not None and self.cancel_at == self.fixed_end

    @property
    def is_recurring(self) -> bool:
        """Whether it is valid and will be charged again, even if it ends in a later period."""
        return self.is_valid and not self.on_grace_period

    @property
    def has_ended(self) -> bool:
        """Whether it is over."""
        return self.status in ENDED_SUBSCRIPTIONS

    @property
    def has_incomplete_payment(self) -> bool:
        """Whether the customer has to pay or to authenticate."""
        return self.status in (SubscriptionStatus.INCOMPLETE, SubscriptionStatus.PAST_DUE)

    @property
    def is_past_due(self) -> bool:
        """Whether its last payment failed and is being tried again."""
        return self.status == SubscriptionStatus.PAST_DUE

    @property
    def is_paused(self) -> bool:
        """Whether it is paused, or its collection is."""
        return self.status == SubscriptionStatus.PAUSED or bool(self.pause_behavior)

    @property
    def currency(self) -> str:
        """What it is charged in, empty where nobody knows yet.

        A price that can be had in several currencies may be another one in ``pricing``: that is the catalogue's.
        """
        items = (item.currency for item in self.items.all() if item.currency)
        return next(items, "" if self.pricing is None else self.pricing.currency)

    @property
    def scheduled_change(self) -> Subscription | None:
        """This subscription if something else is charged from a later period on; its columns say what, and when."""
        return None if self.scheduled_change_at is None else self

    @property
    def _is_in_last_period(self) -> bool:
        if self.cancel_at_period_end or self.cancel_at is None:
            return self.cancel_at_period_end
        return self.current_period_end is None or self.cancel_at <= self.current_period_end
