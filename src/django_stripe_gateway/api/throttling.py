"""Throttle by the scopes of ``STRIPE_GATEWAY_THROTTLE_RATES``, read at each request."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from django_stripe_gateway.conf import gateway_settings


class GatewayRateThrottle(SimpleRateThrottle):
    """Count a caller's requests in the view's ``rate_scope``; no rate, no limit."""

    cache_format = "stripe_gateway_throttle_%(scope)s_%(ident)s"

    def __init__(self) -> None:
        """Leave the rate to the request."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return whether the caller may make this request now."""
        self.scope = getattr(view, "rate_scope", "")
        self.rate = gateway_settings.throttle_rates.get(self.scope)
        if self.rate is None:
            return True
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return bool(super().allow_request(request, view))

    def get_cache_key(self, request: Request, view: APIView) -> str:
        """Return the key of the caller: the user, or the address of somebody who has not said who they are."""
        user = request.user
        ident = user.pk if user is not None and user.is_authenticated else self.get_ident(request)
        return self.cache_format % {"scope": self.scope, "ident": ident}
