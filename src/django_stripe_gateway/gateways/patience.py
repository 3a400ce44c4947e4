"""Ask again where a provider is busy: for long runs that only read, and that nobody waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from django_stripe_gateway.exceptions import ProviderUnavailable

T = TypeVar("T")

# Seconds until one asks again, once the provider's own client has tried as it is set to.
PAUSES = (1.0, 4.0, 10.0)
# Where the provider says how long to wait (Retry-After), that is what is waited, up to here.
LONGEST_PAUSE = 120.0


def patiently(call: Callable[[], T]) -> T:
    """Return what a call that changes nothing returns, also where the provider is busy or cannot be reached at first.

    Raises:
        GatewayError: it was so each time, or the provider refused.
    """
    for pause in PAUSES:
        try:
            return call()
        except ProviderUnavailable as error:
            time.sleep(min(max(pause, error.retry_after), LONGEST_PAUSE))
    return call()
