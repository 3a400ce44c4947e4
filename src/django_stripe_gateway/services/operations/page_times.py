"""When a page of the provider closes: a moment that is fixed before the call, and has to fit when that arrives.

The provider compares it with its own clock (Stripe: from half an hour to a day after the arrival), and a repeat under
one idempotency key must be the same request. So the moment stays away from both bounds, is kept with the operation, and
is another one, under another key, only once it has come too near, or was refused.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from django.utils import timezone

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.conf.payments import LONGEST_PAGE, SHORTEST_PAGE
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.services.operations.engine import change_call
from django_stripe_gateway.services.operations.verbs import Claim

P = TypeVar("P")

#: Seconds for a clock of ours that is slow or fast, and for a call that takes long: away from each bound.
MARGIN = 300
# Seconds of them that a repeat must still have.
REPEAT_MARGIN = 60
CLOSES = "expires_at"


def closing_time(now: datetime | None = None) -> dict[str, Any]:
    """Return when a page closes that is asked for at ``now``, as parameters; none for the provider's own time."""
    seconds = gateway_settings.checkout_expires_after
    if seconds is None:
        return {}
    open_for = min(max(seconds, SHORTEST_PAGE + MARGIN), LONGEST_PAGE - MARGIN)
    return {CLOSES: ((now or _now()) + timedelta(seconds=open_for)).isoformat()}


def closing_moment(params: dict[str, Any]) -> datetime | None:
    """Return the moment that an operation has kept."""
    kept = params.get(CLOSES)
    return datetime.fromisoformat(kept) if kept else None


def make_page(claim: Claim[Any, Any], make: Callable[[], P]) -> P:
    """Make the page of ``claim``, which closes at another moment if its own does not fit any more.

    Args:
        make: asks the provider for it, as the claim says at that moment.

    Raises:
        GatewayError: the provider refused or failed.
    """
    # Of a later attempt it was looked whether an earlier one has made the page.
    if claim.operation.attempts > 1 and _is_too_near(claim.params):
        _close_later(claim, _now())
    try:
        return make()
    except ProviderError as error:
        if error.provider_time is None or CLOSES not in claim.params:
            raise
        # Nothing was made. Our clock is further from the provider's than the margin.
        _close_later(claim, error.provider_time)
    return make()


def _is_too_near(params: dict[str, Any]) -> bool:
    moment = closing_moment(params)
    return moment is not None and moment < _now() + timedelta(seconds=SHORTEST_PAGE + REPEAT_MARGIN)


def _now() -> datetime:
    """Return the present with its zone, which Django leaves out where the host does without."""
    return timezone.now().astimezone(UTC)


def _close_later(claim: Claim[Any, Any], now: datetime) -> None:
    changed = closing_time(now)
    # Without the setting, which was taken back meanwhile, the page closes when the provider closes it.
    change_call(claim, {CLOSES: None} | changed)
