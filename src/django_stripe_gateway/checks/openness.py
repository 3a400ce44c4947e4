"""What a host has left open: said before it is in production, one warning for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.cache import DEFAULT_CACHE_ALIAS
from django.core.checks import CheckMessage
from rest_framework.settings import api_settings

from django_stripe_gateway.adapter import Adapter, get_adapter
from django_stripe_gateway.checks.messages import error, warning
from django_stripe_gateway.checks.settings import wrong_settings
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.conf.api import SELLERS_ACTIONS, THROTTLE_RATES
from django_stripe_gateway.conf.setting import PREFIX

ALLOW_ANY = "rest_framework.permissions.AllowAny"
# The longest for which Stripe tries again by itself: https://docs.stripe.com/billing/revenue-recovery/smart-retries
LONG_GRACE_DAYS = 60
# So many times what a scope has by default is no limit.
HARDLY_A_LIMIT = 100
SECONDS = {"s": 1, "m": 60, "h": 60 * 60, "d": 24 * 60 * 60}
LOCAL_CACHES = ("locmem.LocMemCache", "dummy.DummyCache")
SILENCE = "If that is meant, silence this check."

PRORATIONS = {
    "none": "customers go up in the middle of a period for nothing",
    "create_prorations": "what a change adds is had before it is paid, and may never be",
}


def _opened_actions() -> str:
    opened = [action for action in SELLERS_ACTIONS if action in gateway_settings.customer_actions]
    return f"customers may do what is the seller's: {', '.join(opened)}" if opened else ""


def _owners_subscriptions() -> str:
    return {
        "one_per_plan": "an owner can be billed for several plans at once",
        "several": "an owner can be billed for the same plan twice",
    }.get(gateway_settings.subscriptions_per_owner, "")


def _days_past_due() -> str:
    days = gateway_settings.past_due_grace_days
    if days is None:
        return "who does not pay is served while the provider tries"
    return f"who does not pay is served for {days} days" if days > LONG_GRACE_DAYS else ""


def _prices_of_clients() -> bool:
    try:
        return type(get_adapter()).price_payment is Adapter.price_payment
    except Exception:
        # A class that cannot be had is reported elsewhere; its module can raise anything when it is imported.
        return False


def _open_to_guests() -> str:
    if not gateway_settings.guest_payments:
        return ""
    opened = []
    if gateway_settings.throttle_rates.get("payments.guest") is None:
        opened.append("make payments without end (the scope payments.guest has no rate)")
    if _prices_of_clients():
        opened.append("choose what they pay (the adapter does not override price_payment)")
    return f"people who have not signed in {' and '.join(opened)}" if opened else ""


def _lets_everybody_in(classes: Sequence[str]) -> bool:
    return all(path == ALLOW_ANY for path in classes)


#: Setting → what it leaves open, empty if nothing.
OPEN: Mapping[str, Callable[[], str]] = {
    "CUSTOMER_ACTIONS": _opened_actions,
    "PRORATION_BEHAVIOR": lambda: PRORATIONS.get(gateway_settings.proration_behavior, ""),
    "SUBSCRIPTIONS_PER_OWNER": _owners_subscriptions,
    "ASK_BEFORE_SALE": lambda: (
        "" if gateway_settings.ask_before_sale else "what runs at the provider already is sold once more"
    ),
    "DELETED_OWNERS": lambda: "who is deleted is charged on" if gateway_settings.deleted_owners == "keep" else "",
    "MAX_PAUSE_DAYS": lambda: (
        "customers who may pause do so without end"
        if gateway_settings.max_pause_days is None and "pause_subscription" in gateway_settings.customer_actions
        else ""
    ),
    "PAUSED_IS_VALID": lambda: "who is paused is served without paying" if gateway_settings.paused_is_valid else "",
    "ALLOW_REPEATED_TRIALS": lambda: (
        "an owner can have one trial after another" if gateway_settings.allow_repeated_trials else ""
    ),
    "PAST_DUE_GRACE_DAYS": _days_past_due,
    "GUEST_PAYMENTS": _open_to_guests,
    "PERMISSION_CLASSES": lambda: (
        "everybody may ask, with any credentials or none"
        if _lets_everybody_in(gateway_settings.permission_classes)
        else ""
    ),
    "WEBHOOK_HEALTH_PERMISSION_CLASSES": lambda: (
        "everybody may read how the inbox stands"
        if _lets_everybody_in(gateway_settings.webhook_health_permission_classes)
        else ""
    ),
}


def check_open_settings(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Name each setting that lets somebody have what the seller has not decided to give away."""
    if settings.DEBUG:
        return []
    names = [name for name in OPEN if f"{PREFIX}{name}" not in wrong_settings()]
    opened = {f"{PREFIX}{name}": OPEN[name]() for name in names}
    return [warning("037", f"{name}: {what}.", SILENCE) for name, what in opened.items() if what]


def check_throttles(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that what can be asked without end is not."""
    name = f"{PREFIX}THROTTLE_RATES"
    if settings.DEBUG or name in wrong_settings():
        return []
    rates = gateway_settings.throttle_rates
    unlimited = [scope for scope, rate in rates.items() if rate is None]
    if not rates or unlimited:
        message = f"{name}: requests have no limit ({', '.join(unlimited) or 'in any scope'})."
        return [warning("038", message, f"Give each scope a rate. {SILENCE}")]
    wide = [scope for scope, rate in rates.items() if rate and _per_second(rate) > HARDLY_A_LIMIT * _usual(scope)]
    if wide:
        message = f"{name}: the rates are so high that they are hardly a limit ({', '.join(wide)})."
        return [warning("038", message, f"Give each scope a rate that people need. {SILENCE}")]
    backend = settings.CACHES.get(DEFAULT_CACHE_ALIAS, {}).get("BACKEND", "")
    if backend.endswith(LOCAL_CACHES):
        message = "Requests are counted in a cache of each process: the limits are as many times higher."
        return [warning("038", message, f"Let all processes share the default cache, such as Redis. {SILENCE}")]
    return []


def check_proxies(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check that callers without credentials are counted by an address that they cannot choose."""
    if settings.DEBUG or f"{PREFIX}THROTTLE_RATES" in wrong_settings():
        return []
    if not gateway_settings.throttle_rates or api_settings.NUM_PROXIES is not None:
        return []
    message = "REST_FRAMEWORK has no NUM_PROXIES: X-Forwarded-For, which callers write, says as whom they are counted."
    hint = 'Add "NUM_PROXIES" with the number of proxies in front of the site, 0 for none.'
    guests = f"{PREFIX}GUEST_PAYMENTS"
    if guests not in wrong_settings() and gateway_settings.guest_payments:
        # Their address is all that they are counted by.
        return [error("033", f"{message} {guests} lets them try stolen cards without end.", hint)]
    return [warning("039", message, hint)]


def _per_second(rate: str) -> float:
    count, _, period = rate.partition("/")
    return int(count) / SECONDS[period[0]]


def _usual(scope: str) -> float:
    return _per_second(THROTTLE_RATES[scope])
