"""Show limits, and record use against them."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.base import GatewayAPIView
from django_stripe_gateway.api.idempotency import idempotent
from django_stripe_gateway.api.owners import request_owner
from django_stripe_gateway.api.subscriptions import usage_schema
from django_stripe_gateway.api.subscriptions.usage_serializers import (
    LimitsSerializer,
    LimitStateSerializer,
    UseSerializer,
)
from django_stripe_gateway.services.usage.consume import allowance, consume, limits


class UsageView(GatewayAPIView):
    """A view of what the request's owner may use."""

    @property
    def limited_owner(self) -> Any:
        """The owner whose plan counts: the user, or whom the host's resolver names.

        Raises:
            NotAuthenticated: nobody.
        """
        # Permissions that let everybody in make nobody's objects everybody's.
        _user = self.owner
        return request_owner(self.request)


class LimitsView(UsageView):
    """What the plan allows."""

    rate_scope = "usage.read"

    @usage_schema.read_limits
    def get(self, request: Request) -> Response:
        """Show the limits of the active plan, or of the default one, as they stand now."""
        return Response(self.represented(LimitsSerializer, limits(self.limited_owner)))


class UseView(UsageView):
    """Use of what the plan allows."""

    rate_scope = "usage.write"

    @usage_schema.record_use
    @idempotent
    def post(self, request: Request, *, idempotency_key: str | None) -> Response:
        """Use some, and show what is left."""
        values = self.validated(UseSerializer, request.data)
        owner = self.limited_owner
        consume(owner, values["metric"], values["quantity"], idempotency_key=idempotency_key)
        return Response(self.represented(LimitStateSerializer, allowance(owner, values["metric"])), status=201)
