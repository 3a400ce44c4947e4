"""Type and range of every ``STRIPE_GATEWAY_*`` setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage

from django_stripe_gateway.checks import rules
from django_stripe_gateway.checks.messages import error, nearest, warning
from django_stripe_gateway.conf import INBOX_COUNTS, PAYMENT_ACTIONS, SUBSCRIPTION_ACTIONS, StripeGatewayConf

PREFIX = "STRIPE_GATEWAY_"
DAY = 24 * 60 * 60

# What a value must be, as the end of the sentence "X must be …", and the test for it. Values are never shown: a setting
# of the wrong type may be a key that went to the wrong place.
RULES: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "API_KEY": ("a string", rules.is_optional_text),
    "WEBHOOK_SECRET": ("a string, or a list of strings", rules.is_texts),
    "API_BASE": ('an address such as "https://api.stripe.com", or empty', rules.is_optional_address),
    "API_VERSION": ('a version of Stripe\'s API such as "2026-10-28.endive", or empty', rules.is_optional_version),
    "USE_LOCALSTRIPE": ("True or False, and no string", rules.is_bool),
    "LOCALSTRIPE_URL": ('an address such as "http://127.0.0.1:8420"', rules.is_address),
    "TEST_PAYMENT_METHOD": ('the id of a payment method such as "pm_card_visa"', rules.is_text),
    "TIMEOUT": ("a number of seconds above 0, at most 300", rules.number(above=0, most=300)),
    "MAX_NETWORK_RETRIES": ("a whole number from 0 to 10", rules.integer(0, 10)),
    "POOL_SIZE": ("a whole number from 1 to 1000", rules.integer(1, 1000)),
    "SUCCESS_URL": (rules.PAGE, rules.is_optional_page),
    "FAILURE_URL": (rules.PAGE, rules.is_optional_page),
    "CHECKOUT_EXPIRES_AFTER": (
        "a whole number of seconds from 1800 to 86400, or None for Stripe's 24 hours",
        rules.optional(rules.integer(1800, DAY)),
    ),
    # The SDK takes 0 for "do not look at the time", which would let an old delivery be replayed.
    "WEBHOOK_TOLERANCE": ("a whole number of seconds from 1 to 86400", rules.integer(1, DAY)),
    "WEBHOOK_MAX_BYTES": ("a whole number of bytes, at least 65536", rules.integer(65536)),
    "WEBHOOK_PROCESSING": ('"inline" or "task"', lambda value: value in ("inline", "task")),
    "WEBHOOK_QUEUE": ("the name of a queue", rules.is_text),
    "WEBHOOK_ENQUEUE": ("the dotted path of a function", rules.is_text),
    "WEBHOOK_UNHANDLED": ('a list of event types such as "charge.dispute.*"', rules.is_event_patterns),
    "WEBHOOK_MAX_ATTEMPTS": ("a whole number from 1 to 1000", rules.integer(1, 1000)),
    "WEBHOOK_RETRY_DELAY": ("a number of seconds above 0, at most 86400", rules.number(above=0, most=DAY)),
    "WEBHOOK_RETRY_MAX_DELAY": ("a number of seconds above 0, at most 604800", rules.number(above=0, most=7 * DAY)),
    "WEBHOOK_RETRY_JITTER": ("a number from 0 to 1", rules.fraction),
    "WEBHOOK_LEASE": ("a whole number of seconds from 1 to 86400", rules.integer(1, DAY)),
    # Providers repeat an event for days; one that was forgotten by then would be handled a second time.
    "WEBHOOK_RETENTION_DAYS": ("a whole number of days, at least 31", rules.integer(31)),
    "WEBHOOK_HEALTH_LIMITS": (
        f"a dictionary of counts ({', '.join(INBOX_COUNTS)}) and whole numbers",
        rules.is_health_limits,
    ),
    "WEBHOOK_HEALTH_PERMISSION_CLASSES": ("a list of dotted paths", rules.is_paths),
    "AUTHENTICATION_CLASSES": ("a list of dotted paths, or None for DRF's setting", rules.optional(rules.is_paths)),
    "PERMISSION_CLASSES": ("a list of dotted paths", rules.is_paths),
    "ACTION_PERMISSIONS": (
        f"a dictionary of actions ({', '.join(PAYMENT_ACTIONS + SUBSCRIPTION_ACTIONS)}) and lists of dotted paths",
        rules.is_action_permissions,
    ),
    "SERIALIZERS": ("a dictionary of names and dotted paths", rules.is_path_mapping),
    "THROTTLE_RATES": ('a dictionary of scopes and rates such as "100/hour" or None', rules.is_rates),
    "PAGE_SIZE": ("a whole number from 1 to 100", rules.integer(1, 100)),
    "IDEMPOTENCY_KEY_TTL": ("a whole number of seconds, at least 60", rules.integer(60)),
    "OWNER_MODEL": ('the name of a model such as "auth.User"', rules.is_model_name),
    "OWNER_RESOLVER": ("a dotted path, or empty", rules.is_optional_text),
    "BILLING_VARIANT": ("the name of a payment variant, or empty", rules.is_optional_text),
    "CUSTOMER_DETAILS": ("a dotted path, or empty", rules.is_optional_text),
    "ALLOW_REPEATED_TRIALS": ("True or False, and no string", rules.is_bool),
    "ALLOW_DUPLICATE_SUBSCRIPTIONS": ("True or False, and no string", rules.is_bool),
    "AUTOMATIC_TAX": ("True or False, and no string", rules.is_bool),
    "PRORATION_BEHAVIOR": ('"create_prorations", "always_invoice" or "none"', rules.is_proration),
    "SUBSCRIPTION_SUCCESS_URL": (rules.PLAIN_PAGE, rules.is_optional_plain_page),
    "SUBSCRIPTION_CANCEL_URL": (rules.PLAIN_PAGE, rules.is_optional_plain_page),
    "PORTAL_RETURN_URL": (rules.PLAIN_PAGE, rules.is_optional_plain_page),
    "PAST_DUE_GRACE_DAYS": (
        "a whole number of days from 0 to 365, or None for as long as Stripe tries",
        rules.optional(rules.integer(0, 365)),
    ),
    "OWNER_TIME_ZONE_RESOLVER": ("a dotted path, or empty", rules.is_optional_text),
    "USAGE_THRESHOLDS": ("a list of whole percentages from 1 to 100", rules.is_percentages),
    "USAGE_RESERVATION_SECONDS": ("a whole number of seconds from 1 to 2592000", rules.integer(1, 30 * DAY)),
    "USAGE_METERS": ("a dictionary of metrics and event names of Stripe's meters", rules.is_path_mapping),
    "PAYPAL_CLIENT_ID": ("a string", rules.is_optional_text),
    "PAYPAL_CLIENT_SECRET": ("a string", rules.is_optional_text),
    "PAYPAL_WEBHOOK_ID": ("a string, or a list of strings", rules.is_texts),
    "PAYPAL_SANDBOX": ("True or False, and no string", rules.is_bool),
    "PAYPAL_API_BASE": ("an address, or empty for PayPal's own", rules.is_optional_address),
    "PAYPAL_WEBHOOK_VERIFICATION": ('"offline" or "api"', lambda value: value in ("offline", "api")),
    "PAYPAL_WEBHOOK_TOLERANCE": ("a whole number of seconds from 1 to 2592000", rules.integer(1, 30 * DAY)),
    "PAYPAL_CA_BUNDLE": ("the path of a file, or empty", rules.is_optional_text),
}

# What the classes that a setting names must be able to do.
METHODS: Mapping[str, str] = {
    "AUTHENTICATION_CLASSES": "authenticate",
    "PERMISSION_CLASSES": "has_permission",
    "WEBHOOK_HEALTH_PERMISSION_CLASSES": "has_permission",
    "ACTION_PERMISSIONS": "has_permission",
}


def check_setting_values(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Check every setting's type and range, and that its dotted paths can be imported."""
    found: list[CheckMessage] = []
    for name, (expected, is_valid) in RULES.items():
        full_name = f"{PREFIX}{name}"
        value = getattr(settings, full_name, None)
        if not is_valid(value):
            hint = f"Correct {full_name} in your settings, or remove the line to get the default."
            found.append(error("013", f"{full_name} must be {expected}.", hint))
            continue
        for path in _dotted_paths(name, value):
            problem = rules.import_problem(path)
            if problem:
                hint = f"Correct the dotted path in {full_name}."
                found.append(error("014", f"{full_name} names {path!r}, which cannot be imported: {problem}.", hint))
            elif name in METHODS and not rules.is_class_with(path, METHODS[name]):
                hint = f"Name a class that has the method {METHODS[name]}()."
                found.append(error("014", f"{full_name} names {path!r}, which is no such class.", hint))
    return found


def check_setting_names(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    """Warn about settings with this app's prefix that nobody reads."""
    known = known_settings()
    found = []
    for name in sorted(set(dir(settings))):
        if name.startswith(PREFIX) and name not in known:
            meant = nearest(name, known)
            hint = f"Did you mean {meant}?" if meant else "Remove the line."
            found.append(warning("001", f"There is no setting {name}.", hint))
    return found


def known_settings() -> Sequence[str]:
    """Return the full names of this app's settings."""
    return sorted(StripeGatewayConf._meta.defaults)


def wrong_settings() -> frozenset[str]:
    """Return the settings whose value other checks cannot work with."""
    return frozenset(
        f"{PREFIX}{name}"
        for name, (_expected, is_valid) in RULES.items()
        if not is_valid(getattr(settings, f"{PREFIX}{name}", None))
    )


def _dotted_paths(name: str, value: Any) -> Iterator[str]:
    if name in ("OWNER_RESOLVER", "CUSTOMER_DETAILS", "OWNER_TIME_ZONE_RESOLVER"):
        yield from [value] if value else ()
    elif name.endswith("_CLASSES"):
        yield from value or ()
    elif name == "ACTION_PERMISSIONS":
        for paths in value.values():
            yield from paths
    elif name == "SERIALIZERS":
        yield from value.values()
