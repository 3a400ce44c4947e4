"""Start, change and end subscriptions. Each view validates, calls one service and answers."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.base import ActionView
from django_stripe_gateway.api.idempotency import idempotent
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.subscriptions import examples
from django_stripe_gateway.api.subscriptions.input_serializers import (
    CancelSubscriptionSerializer,
    ChangeSubscriptionSerializer,
    PauseSubscriptionSerializer,
    SubscribeSerializer,
    SubscriptionIdSerializer,
)
from django_stripe_gateway.api.subscriptions.previews import preview_answer
from django_stripe_gateway.api.subscriptions.serializers import PreviewSerializer, SubscriptionSerializer
from django_stripe_gateway.api.subscriptions.views import BillingView
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.models import Plan, PlanPricing, Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription, resume_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription, preview_change
from django_stripe_gateway.services.subscriptions.pause import pause_subscription, unpause_subscription
from django_stripe_gateway.services.subscriptions.subscribe import choose_pricing, return_addresses, subscribe
from django_stripe_gateway.services.subscriptions.sync import look_up_subscription
from django_stripe_gateway.services.transactions import payments_database


class BillingActionView(ActionView, BillingView):
    """A view that changes what its owner is billed for."""

    rate_scope = "subscriptions.write"

    def withheld(self, body: dict[str, Any]) -> dict[str, Any]:
        """Ask the provider again for the client secret of an answer given earlier."""
        subscription = self.get_subscription(str(body["subscription_id"]))
        return {"client_secret": look_up_subscription(subscription.pk, self.origin).client_secret}

    def shown(self, subscription: Subscription, **kwargs: Any) -> Response:
        """Answer with the subscription as it is now, and what only this answer holds."""
        current = self.own_subscriptions().get(pk=subscription.pk)
        for name in ("client_secret", "client_secret_kind", "gateway_url"):
            setattr(current, name, getattr(subscription, name))
        return self.answer(current, with_client_secret=True, **kwargs)


class SubscribeView(BillingActionView):
    """Subscribe to a plan."""

    action = "subscribe"

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

        `plan_id` alone is enough. A `client_secret` says that the customer has to pay or to authenticate with
        Stripe.js; with `mode` “checkout” the answer has a `gateway_url` to send the customer to.
        """
        values = self.validated(SubscribeSerializer, request.data)
        plan = find_plan(values.pop("plan_id"))
        pricing = choose_pricing(plan, values.pop("pricing_id", None))
        success_url, cancel_url = return_addresses(self.base_url)
        subscription = subscribe(
            owner=self.billed_owner,
            plan=plan,
            pricing=pricing,
            success_url=success_url,
            cancel_url=cancel_url,
            idempotency_key=idempotency_key,
            origin=self.origin,
            **values,
        )
        return self.shown(subscription, status=201)


class CancelView(BillingActionView):
    """Cancel a subscription."""

    action = "cancel_subscription"

    @operation(
        "subscriptions_cancel",
        request=CancelSubscriptionSerializer,
        answer=SubscriptionSerializer,
        errors=(402, 404),
        examples=examples.CANCEL,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Cancel a subscription: at the end of its period, or at once."""
        values = self.validated(CancelSubscriptionSerializer, request.data)
        subscription = self.get_subscription(values["subscription_id"])
        changed = cancel_subscription(
            subscription=subscription,
            at_period_end=values["at_period_end"],
            idempotency_key=idempotency_key,
            origin=self.origin,
        )
        return self.shown(changed)


class ResumeView(BillingActionView):
    """Take back a cancellation."""

    action = "resume_subscription"

    @operation(
        "subscriptions_resume",
        request=SubscriptionIdSerializer,
        answer=SubscriptionSerializer,
        errors=(402, 404),
        examples=examples.RESUME,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Take back a cancellation while the period still runs."""
        values = self.validated(SubscriptionIdSerializer, request.data)
        subscription = self.get_subscription(values["subscription_id"])
        changed = resume_subscription(subscription=subscription, idempotency_key=idempotency_key, origin=self.origin)
        return self.shown(changed)


class ChangeView(BillingActionView):
    """Change plan, price or quantity."""

    action = "change_subscription"

    @operation(
        "subscriptions_change",
        request=ChangeSubscriptionSerializer,
        answer=SubscriptionSerializer,
        errors=(402, 404),
        examples=examples.CHANGE,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Change plan, price or quantity, or say what that would cost.

        With `preview` nothing is changed: the answer has the invoice that the change would lead to, and the
        `proration_date` to repeat the request with, so that it costs what it had said.
        """
        values = self.validated(ChangeSubscriptionSerializer, request.data)
        subscription = self.get_subscription(values.pop("subscription_id"))
        plan_id, pricing_id = values.pop("plan_id", None), values.pop("pricing_id", None)
        pricing = asked_pricing(subscription, plan_id, pricing_id)
        if values.pop("preview"):
            moment = values.pop("proration_date", None) or timezone.now().replace(microsecond=0)
            snapshot = preview_change(subscription=subscription, pricing=pricing, proration_date=moment, **values)
            return Response(self.represented(PreviewSerializer, preview_answer(snapshot, moment)))
        changed = change_subscription(
            subscription=subscription,
            pricing=pricing,
            idempotency_key=idempotency_key,
            origin=self.origin,
            **values,
        )
        return self.shown(changed)


class PauseView(BillingActionView):
    """Stop collecting money."""

    action = "pause_subscription"

    @operation(
        "subscriptions_pause",
        request=PauseSubscriptionSerializer,
        answer=SubscriptionSerializer,
        errors=(402, 404),
        examples=examples.PAUSE,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Stop collecting money for a subscription."""
        values = self.validated(PauseSubscriptionSerializer, request.data)
        subscription = self.get_subscription(values.pop("subscription_id"))
        changed = pause_subscription(
            subscription=subscription, idempotency_key=idempotency_key, origin=self.origin, **values
        )
        return self.shown(changed)


class UnpauseView(BillingActionView):
    """Collect money again."""

    action = "unpause_subscription"

    @operation(
        "subscriptions_unpause",
        request=SubscriptionIdSerializer,
        answer=SubscriptionSerializer,
        errors=(402, 404),
        examples=examples.UNPAUSE,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Collect money for a subscription again."""
        values = self.validated(SubscriptionIdSerializer, request.data)
        subscription = self.get_subscription(values["subscription_id"])
        changed = unpause_subscription(subscription=subscription, idempotency_key=idempotency_key, origin=self.origin)
        return self.shown(changed)


def find_plan(plan_id: int) -> Plan:
    """Return a plan that is for sale.

    Raises:
        InvalidInput: there is none with this id.
    """
    plan = Plan.objects.using(payments_database()).active().filter(pk=plan_id).first()
    if plan is None:
        raise InvalidInput("There is no such plan.", code="unknown_plan", field="plan_id")
    return plan


def asked_pricing(subscription: Subscription, plan_id: int | None, pricing_id: int | None) -> PlanPricing | None:
    """Return the price that a change names, by the plan, the price or both; ``None`` when it names none."""
    if plan_id is not None:
        return choose_pricing(find_plan(plan_id), pricing_id)
    if pricing_id is None:
        return None
    rows = PlanPricing.objects.using(payments_database()).active().select_related("plan")
    pricing = rows.filter(pk=pricing_id, variant=subscription.variant).first()
    if pricing is None:
        raise InvalidInput("There is no such price.", code="unknown_pricing", field="pricing_id")
    return pricing
