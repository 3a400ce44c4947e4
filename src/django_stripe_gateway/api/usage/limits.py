"""Hold a host's own views to the limits of plans, those of Django and those of Django REST framework."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from django_stripe_gateway.api.errors import error_body
from django_stripe_gateway.api.owners import request_owner
from django_stripe_gateway.exceptions import UsageLimitExceeded
from django_stripe_gateway.services.usage.consume import check, consume

View = Callable[..., HttpResponseBase]


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


def limited(metric: str, quantity: int = 1) -> Callable[[View], View]:
    """Let a Django view use ``quantity`` for each request; answer 429 with ``Retry-After`` when it is spent.

    The owner is the request's, as the adapter's ``get_owner`` says; nobody gets 403. For views of Django REST
    framework there is ``UsageThrottle``.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def limited_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                consume(request_owner(request), metric, quantity)
            except NotAuthenticated as error:
                raise PermissionDenied from error
            except UsageLimitExceeded as error:
                headers = {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
                return JsonResponse(error_body(error), status=error.status_code, headers=headers)
            return view(request, *args, **kwargs)

        return limited_view

    return decorate
