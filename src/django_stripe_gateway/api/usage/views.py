"""Show limits, and record use against them."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.idempotency import idempotent
from django_stripe_gateway.api.openapi.operations import operation
from django_stripe_gateway.api.owners import OwnerView
from django_stripe_gateway.api.usage import examples
from django_stripe_gateway.api.usage.serializers import LimitsSerializer, LimitStateSerializer, UseSerializer
from django_stripe_gateway.services.usage.consume import allowance, consume, limits


class LimitsView(OwnerView):
    """What the plan allows."""

    tag = "subscriptions"
    rate_scope = "usage.read"

    @operation("subscriptions_limits", answer=LimitsSerializer, examples=examples.READ_LIMITS)
    def get(self, request: Request) -> Response:
        """Show what your plan allows today, and what is left of it.

        Without a plan of your own the default one counts.
        """
        return self.answer(LimitsSerializer, limits(self.billed_owner))


class UseView(OwnerView):
    """Use of what the plan allows."""

    tag = "subscriptions"
    rate_scope = "usage.write"

    @operation(
        "subscriptions_usage",
        request=UseSerializer,
        answer=LimitStateSerializer,
        status=201,
        examples=examples.RECORD_USE,
    )
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Use some of what your plan allows.

        Refused with 429 once the limit is spent; Retry-After says when it starts anew, if it ever does.
        """
        values = self.validated(UseSerializer, request.data)
        owner = self.billed_owner
        consume(owner, values["metric"], values["quantity"], idempotency_key=idempotency_key)
        return self.answer(LimitStateSerializer, allowance(owner, values["metric"]), status=201)
