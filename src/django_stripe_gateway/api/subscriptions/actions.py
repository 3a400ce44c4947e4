"""Start, change and end subscriptions. Each view validates, calls one service and answers."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.access import check_fields, check_may, has_permission
from django_stripe_gateway.api.base import SerializerClass
from django_stripe_gateway.api.fields import NOW
from django_stripe_gateway.api.idempotency import idempotent
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.subscriptions import examples
from django_stripe_gateway.api.subscriptions.serializers import (
    ApplyDiscountSerializer,
    CancelSubscriptionSerializer,
    ChangeSubscriptionSerializer,
    ChangeTrialSerializer,
    PauseSubscriptionSerializer,
    PreviewSerializer,
    SubscribeSerializer,
    SubscriptionIdSerializer,
    SubscriptionSerializer,
)
from django_stripe_gateway.api.subscriptions.views import BillingView, with_all_that_is_shown
from django_stripe_gateway.api.throttling import PromotionCodeThrottle
from django_stripe_gateway.conf.permissions import CHANGE_TERMS
from django_stripe_gateway.models import Plan, PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription, resume_subscription
from django_stripe_gateway.services.subscriptions.change import can_fix_moment, change_subscription, preview_change
from django_stripe_gateway.services.subscriptions.checkouts import look_up_page
from django_stripe_gateway.services.subscriptions.customers import billing_variant
from django_stripe_gateway.services.subscriptions.discounts import apply_discount
from django_stripe_gateway.services.subscriptions.pause import pause_subscription, unpause_subscription
from django_stripe_gateway.services.subscriptions.preview_tokens import previewed_change, sign_preview
from django_stripe_gateway.services.subscriptions.prices import find_plan, named_pricing
from django_stripe_gateway.services.subscriptions.schedule import cancel_change
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from django_stripe_gateway.services.subscriptions.sync import look_up_subscription
from django_stripe_gateway.services.subscriptions.trials import change_trial, end_trial

_changing = functools.partial(operation, answer=SubscriptionSerializer, errors=(402, 404))


class BillingActionView(BillingView):
    """A view that changes what its owner is billed for."""

    calls_provider = True
    rate_scope = "subscriptions.write"
    #: Name of the rate of the bodies with a promotion code, where it takes one.
    code_scope: ClassVar[str] = ""
    throttle_classes = (*BillingView.throttle_classes, PromotionCodeThrottle)

    def check_repeat(self, body: dict[str, Any], path: Mapping[str, Any]) -> None:
        """Refuse to give an answer about a subscription again to whoever may not act on it any more."""
        asked = self.request.data
        subscription_id = body.get("subscription_id") or (
            asked.get("subscription_id") if isinstance(asked, dict) else None
        )
        if subscription_id:
            self.reach_subscription(str(subscription_id))
        super().check_repeat(body, path)

    def withheld(self, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the provider again for the client secret of an answer given earlier."""
        if body.get("client_secret_kind") == "page":
            return {"client_secret": look_up_page(self.started_on_page(body), self.origin).client_secret}
        subscription = self.get_subscription(str(body["subscription_id"]))
        return {"client_secret": look_up_subscription(subscription.pk, self.origin).client_secret}

    def started_on_page(self, body: dict[str, Any]) -> Subscription:
        """Return the subscription that an earlier answer has made a page for: no provider's id names it yet."""
        rows = Subscription.objects.filter(created=str(body["created"])).exclude(checkout_id="")
        subscription: Subscription = self.in_reach(rows, "customer__owner")
        return subscription

    def shown(self, subscription: Subscription, **kwargs: Any) -> Response:
        """Answer with the subscription as it is now, and what only this answer holds."""
        current = with_all_that_is_shown(Subscription.objects.filter(pk=subscription.pk)).get()
        for name in ("client_secret", "client_secret_kind", "gateway_url"):
            setattr(current, name, getattr(subscription, name))
        return self.answer(SubscriptionSerializer, current, with_client_secret=True, **kwargs)

    def change(self, default: SerializerClass, service: Callable[..., Subscription], key: str | None) -> Response:
        """Let a service do to the subscription what the body asks for."""
        check_fields(self.request)
        values = self.validated(default, self.request.data)
        subscription = self.get_subscription(values.pop("subscription_id"))
        return self.shown(service(subscription=subscription, idempotency_key=key, origin=self.origin, **values))


class SubscribeView(BillingActionView):
    """Subscribe to a plan."""

    action = "subscribe"
    code_scope = "promotion_codes"

    @operation(
        "subscriptions_subscribe",
        request=SubscribeSerializer,
        answer=SubscriptionSerializer,
        status=201,
        errors=(402,),
        examples=examples.SUBSCRIBE,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Subscribe to a plan.

        `plan_id` alone is enough where nothing leaves its price in doubt: it has one only, one in the currency and with
        the interval of what you have subscribed to already, or a default. A `payment_method` that is named is charged
        at once. A `client_secret` says that the customer has to pay or to authenticate with Stripe.js; with `mode`
        “checkout” the answer has a `gateway_url` to send the customer to.
        """
        check_may(request, self.action)
        values = self.validated(SubscribeSerializer, request.data)
        plan, pricing = asked_plan(values, billing_variant())
        plan = plan if pricing is None else pricing.plan
        assert plan is not None  # noqa: S101 (the body names one of the two)
        add_ons = [
            (self.get_add_on(one["pricing_id"], variant=billing_variant()), one["quantity"])
            for one in values.pop("add_ons", ())
        ]
        subscription = subscribe(
            owner=self.billed_owner,
            plan=plan,
            pricing=pricing,
            add_ons=add_ons,
            base_url=self.base_url,
            idempotency_key=idempotency_key,
            origin=self.origin,
            **values,
        )
        return self.shown(subscription, status=201)


class CancelView(BillingActionView):
    """Cancel a subscription."""

    action = "cancel_subscription"

    @_changing("subscriptions_cancel", request=CancelSubscriptionSerializer, examples=examples.CANCEL)
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Cancel a subscription: at the end of its period, or at once.

        `cancel_at` and `refund_unused` are the seller's.
        """
        return self.change(CancelSubscriptionSerializer, cancel_subscription, idempotency_key)


class ResumeView(BillingActionView):
    """Take back a cancellation."""

    action = "resume_subscription"

    @_changing("subscriptions_resume", request=SubscriptionIdSerializer, examples=examples.RESUME)
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Take back a cancellation while the period still runs."""
        return self.change(SubscriptionIdSerializer, resume_subscription, idempotency_key)


class ChangeView(BillingActionView):
    """Change plan, price or quantity."""

    action = "change_subscription"

    @operation(
        "subscriptions_change",
        request=ChangeSubscriptionSerializer,
        answer=(SubscriptionSerializer, PreviewSerializer),
        errors=(402, 404),
        examples=examples.CHANGE,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Change plan, price or quantity, or say what that would cost.

        With `at_period_end` all stays as it is until the next period begins; `scheduled_change` says what comes then.
        With `preview` nothing is changed: the answer has the invoice that the change would lead to, and a
        `preview_token`. Repeat the request with that, without `preview`, within 15 minutes, while nothing else has
        changed: it costs what it had said, where it is counted from `proration_date`. A change to what costs less has
        none: what is credited is counted to the second in which it is made.
        """
        check_fields(request)
        values = self.validated(ChangeSubscriptionSerializer, request.data)
        subscription = self.get_subscription(values.pop("subscription_id"))
        values["plan"], values["pricing"] = asked_plan(values, subscription.variant, kept=subscription)
        if "preview_token" in values:
            request_as = {"token": values.pop("preview_token"), "idempotency_key": idempotency_key}
            values = previewed_change(subscription=subscription, origin=self.origin, **request_as, **values)
        elif values.pop("preview"):
            return self.preview(subscription, values)
        changed = change_subscription(
            subscription=subscription, idempotency_key=idempotency_key, origin=self.origin, **values
        )
        return self.shown(changed)

    def preview(self, subscription: Subscription, values: dict[str, Any]) -> Response:
        """Answer with what a change would cost, and a token that fixes the moment of that where it can be fixed."""
        moment = values.pop("proration_date", None)
        is_taken_now = moment is None and not values["at_period_end"]
        if is_taken_now:
            moment = timezone.now().replace(microsecond=0)
        snapshot = preview_change(subscription=subscription, proration_date=moment, **values)
        if is_taken_now and not can_fix_moment(subscription, values["plan"], values["pricing"], values.get("quantity")):
            moment = None
        token = sign_preview(subscription=subscription, moment=moment, origin=self.origin, **values)
        shown = {name: getattr(snapshot, name) for name in ("currency", "total", "amount_due", "tax", "lines")}
        preview = SimpleNamespace(proration_date=moment, preview_token=token, **shown)
        return self.answer(PreviewSerializer, preview, currency=snapshot.currency)


class CancelChangeView(BillingActionView):
    """Take back a scheduled change."""

    action = "cancel_change"

    @_changing("subscriptions_cancel_change", request=SubscriptionIdSerializer, examples=examples.CANCEL_CHANGE)
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Take back a change that was scheduled for the end of the period."""
        return self.change(SubscriptionIdSerializer, cancel_change, idempotency_key)


class TrialView(BillingActionView):
    """Move a trial's end."""

    action = "change_trial"

    @_changing("subscriptions_trial", request=ChangeTrialSerializer, examples=examples.TRIAL)
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Let a trial end at another moment, or now, which charges the first period. The seller's."""
        values = self.validated(ChangeTrialSerializer, request.data)
        subscription, ends = self.get_subscription(values["subscription_id"]), values["trial_end"]
        service = end_trial if ends == NOW else functools.partial(change_trial, ends=ends)
        return self.shown(service(subscription=subscription, idempotency_key=idempotency_key, origin=self.origin))


class DiscountView(BillingActionView):
    """Lower the price."""

    action = "apply_discount"
    code_scope = "promotion_codes"

    @_changing("subscriptions_discount", request=ApplyDiscountSerializer, examples=examples.DISCOUNT)
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Enter a promotion code for a running subscription; it takes the place of the one that there is."""
        return self.change(ApplyDiscountSerializer, apply_discount, idempotency_key)


class PauseView(BillingActionView):
    """Stop collecting money."""

    action = "pause_subscription"

    @_changing("subscriptions_pause", request=PauseSubscriptionSerializer, examples=examples.PAUSE)
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Stop collecting money for a subscription, which stays valid as far as it was paid. The seller's.

        It ends at `resumes_at`, and within `STRIPE_GATEWAY_MAX_PAUSE_DAYS` for whoever may not change the terms.
        """
        pause = functools.partial(pause_subscription, is_bounded=not has_permission(request.user, CHANGE_TERMS))
        return self.change(PauseSubscriptionSerializer, pause, idempotency_key)


class UnpauseView(BillingActionView):
    """Collect money again."""

    action = "unpause_subscription"

    @_changing("subscriptions_unpause", request=SubscriptionIdSerializer, examples=examples.UNPAUSE)
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Collect money for a subscription again. The seller's."""
        return self.change(SubscriptionIdSerializer, unpause_subscription, idempotency_key)


def asked_plan(
    values: dict[str, Any], variant: str, *, kept: Subscription | None = None
) -> tuple[Plan | None, PlanPricing | None]:
    """Take from a body the plan and the price that it names; customers may name what is public.

    Args:
        kept: the subscription that is changed, whose own price need not be.

    Raises:
        InvalidInput: there is no such plan or price.
    """
    plan_id, pricing_id, lookup_key = (values.pop(name, None) for name in ("plan_id", "pricing_id", "lookup_key"))
    plan = None
    if plan_id is not None:
        plan = kept.plan if kept is not None and kept.plan_id == plan_id else find_plan(plan_id)
    if pricing_id is None and lookup_key is None:
        return plan, None
    if kept is not None and kept.pricing is not None and (plan is None or plan.pk == kept.plan_id):
        own = {"pricing_id": kept.pricing.pk, "lookup_key": kept.pricing.lookup_key}
        if pricing_id in (None, own["pricing_id"]) and lookup_key in (None, own["lookup_key"]):
            return plan, kept.pricing
    return plan, named_pricing(variant=variant, plan=plan, pricing_pk=pricing_id, lookup_key=lookup_key or "")
