"""What a host calls to count use against the limits of plans.

>>> from django_stripe_gateway import usage
>>> usage.consume(user, "minutes", 5)  # doctest: +SKIP
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from rest_framework.exceptions import NotAuthenticated

from django_stripe_gateway.api.errors import error_body
from django_stripe_gateway.api.owners import request_owner
from django_stripe_gateway.exceptions import UsageLimitExceeded
from django_stripe_gateway.models import UsageReservation
from django_stripe_gateway.services.usage.consume import allowance, check, consume, limits, refund, require
from django_stripe_gateway.services.usage.entitlements import Allowance, Entitlements
from django_stripe_gateway.services.usage.reservations import commit, release, reserve

__all__ = [
    "Allowance",
    "Entitlements",
    "Work",
    "allowance",
    "check",
    "commit",
    "consume",
    "limited",
    "limits",
    "refund",
    "release",
    "require",
    "reserve",
    "reserved",
]


@dataclass(slots=True)
class Work:
    """Work under way in ``reserved``; set ``cost`` when it is known, else all that was reserved is used."""

    reservation: UsageReservation
    cost: int | None = None


@contextmanager
def reserved(
    owner: Any,
    metric: str,
    quantity: int = 1,
    *,
    expires_in: timedelta | None = None,
    idempotency_key: str | None = None,
) -> Iterator[Work]:
    """Reserve for a block of work: commit its cost at the end, release everything if it raises.

    Raises:
        UsageLimitExceeded: the plan does not allow that much; the block is not entered.
    """
    reservation = reserve(owner, metric, quantity, expires_in=expires_in, idempotency_key=idempotency_key)
    work = Work(reservation)
    try:
        yield work
    except BaseException:
        release(reservation)
        raise
    try:
        commit(reservation, work.cost)
    except UsageLimitExceeded:
        # The work is done: what was reserved for it is used, whatever the rest cost.
        commit(reservation)
        raise


def limited(
    metric: str, quantity: int = 1
) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Let a Django view use ``quantity`` for each request; answer 429 with ``Retry-After`` when it is spent.

    The owner is the request's, as the adapter's ``get_owner`` says; nobody gets 403. For views of Django REST
    framework there is ``api.limiting.UsageThrottle``.
    """

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
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
