"""Hold the views of a host's own API to the limits of plans."""

from __future__ import annotations

from typing import ClassVar

from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from django_stripe_gateway.api.owners import request_owner
from django_stripe_gateway.exceptions import UsageLimitExceeded
from django_stripe_gateway.services.usage.consume import check, consume


class PlanAllows(BasePermission):
    """Let a request pass if something is left of a metric, without using it: for features. Else 403.

    Subclass it and set ``metric``, or name the metric on the view as ``usage_metric``.
    """

    metric: ClassVar[str] = ""
    code = "plan_does_not_allow"

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the owner's plan allows one more."""
        owner = request_owner(request)
        return check(owner, self.metric or view.usage_metric)  # type: ignore[attr-defined]


class UsageThrottle(BaseThrottle):
    """Use some of a metric with each request; DRF answers 429 with ``Retry-After`` when it is spent.

    Subclass it and set ``metric`` and ``quantity``, or name them on the view as ``usage_metric`` and
    ``usage_quantity``. Requests of nobody are left to the view's permissions.
    """

    metric: ClassVar[str] = ""
    quantity: ClassVar[int] = 1

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Use what the request costs; return whether it was allowed."""
        self.refusal: UsageLimitExceeded | None = None
        metric = self.metric or view.usage_metric  # type: ignore[attr-defined]
        try:
            consume(request_owner(request), metric, getattr(view, "usage_quantity", self.quantity))
        except NotAuthenticated:
            return True
        except UsageLimitExceeded as error:
            self.refusal = error
            return False
        return True

    def wait(self) -> float | None:
        """Return the seconds until the limit starts anew, ``None`` if it never does."""
        return self.refusal.retry_after if self.refusal else None
