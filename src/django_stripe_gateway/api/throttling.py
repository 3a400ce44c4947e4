"""How often one caller may ask: a user by their key, anybody else by their address."""

from __future__ import annotations

from collections.abc import Mapping

from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from django_stripe_gateway.conf import gateway_settings


class GatewayRateThrottle(ScopedRateThrottle):
    """Count a caller's requests in the view's ``rate_scope``, by the settings as they are; no rate, no limit."""

    scope_attr = "rate_scope"
    cache_format = "stripe_gateway_throttle_%(scope)s_%(ident)s"

    def get_rate(self) -> str | None:
        """Return the rate of the scope."""
        return gateway_settings.throttle_rates.get(str(self.scope))


class PromotionCodeThrottle(GatewayRateThrottle):
    """Count the promotion codes that a caller enters: short ones can be guessed."""

    scope_attr = "code_scope"

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return whether the request may go on; one without a code always may."""
        body = request.data
        return not (isinstance(body, Mapping) and body.get("promotion_code")) or super().allow_request(request, view)


class GuestThrottle(GatewayRateThrottle):
    """Count what an address without credentials begins: stolen cards are tried where nobody signs in."""

    scope_attr = "guest_scope"

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return whether the request may go on; one of somebody who has signed in always may."""
        is_counted = getattr(view, "is_guest", False) and getattr(view, self.scope_attr, "")
        return not is_counted or super().allow_request(request, view)
