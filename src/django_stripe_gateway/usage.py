"""What a host calls to count use against the limits of plans: all of it, and from nowhere else.

>>> from django_stripe_gateway import usage
>>> usage.consume(user, "minutes", 5)  # doctest: +SKIP
"""

from __future__ import annotations

from django_stripe_gateway.api.usage.limits import PlanAllows, UsageThrottle, limited
from django_stripe_gateway.services.usage.allowances import Allowance
from django_stripe_gateway.services.usage.consume import allowance, check, consume, limits, refund, require
from django_stripe_gateway.services.usage.entitlements import Entitlements
from django_stripe_gateway.services.usage.reservations import Work, commit, release, reserve, reserved

__all__ = [
    "Allowance",
    "Entitlements",
    "PlanAllows",
    "UsageThrottle",
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
