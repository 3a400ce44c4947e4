"""The app's settings: defaults through django-appconf, read through typed properties at use.

The package reads no environment. ``PAYMENT_MODEL``, ``PAYMENT_HOST`` and ``PAYMENT_VARIANTS`` are django-payments';
they get working defaults here because importing ``payments.models`` without them raises before any system check can
say what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from appconf import AppConf
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_stripe_gateway.conf_billing import BillingSettings
from django_stripe_gateway.conf_usage import UsageSettings

LOCALSTRIPE_API_KEY = "sk_test_123"
STRIPE_PROVIDER = "django_stripe_gateway.providers.StripeProvider"
PAYPAL_PROVIDER = "django_stripe_gateway.providers.PayPalProvider"
DAY = 24 * 60 * 60
# What is counted of the inbox, as STRIPE_GATEWAY_WEBHOOK_HEALTH_LIMITS names it.
INBOX_COUNTS = ("received", "failed", "dead", "unmatched", "oldest_age")
# What the API does, as STRIPE_GATEWAY_ACTION_PERMISSIONS names it.
PAYMENT_ACTIONS = ("create_payment", "capture_payment", "confirm_intent", "cancel_payment", "refund_payment")
SUBSCRIPTION_ACTIONS = (
    "subscribe",
    "cancel_subscription",
    "resume_subscription",
    "change_subscription",
    "pause_subscription",
    "unpause_subscription",
    "add_payment_method",
    "set_default_payment_method",
    "remove_payment_method",
    "open_portal",
)


def unset_payment_host() -> NoReturn:
    """Stand in for ``PAYMENT_HOST`` until the host project sets it."""
    raise ImproperlyConfigured(
        'PAYMENT_HOST is not set. Add PAYMENT_HOST = "shop.example.com" to your settings, so that the URLs '
        "Stripe sends customers back to can be built outside of a request."
    )


class StripeGatewayConf(AppConf):
    """Defaults of every ``STRIPE_GATEWAY_*`` setting."""

    API_KEY = ""
    WEBHOOK_SECRET: str | Sequence[str] = ""
    API_BASE = ""
    API_VERSION = ""
    USE_LOCALSTRIPE = False
    LOCALSTRIPE_URL = "http://127.0.0.1:8420"
    TEST_PAYMENT_METHOD = "pm_card_visa"
    TIMEOUT = 20.0
    MAX_NETWORK_RETRIES = 2
    POOL_SIZE = 20
    SUCCESS_URL = ""
    FAILURE_URL = ""
    CHECKOUT_EXPIRES_AFTER: int | None = None
    WEBHOOK_TOLERANCE = 300
    WEBHOOK_MAX_BYTES = 1024 * 1024
    WEBHOOK_PROCESSING = "inline"
    WEBHOOK_QUEUE = "default"
    WEBHOOK_ENQUEUE = "django_stripe_gateway.webhooks.tasks.enqueue_event"
    WEBHOOK_UNHANDLED: Sequence[str] = ()
    WEBHOOK_MAX_ATTEMPTS = 15
    WEBHOOK_RETRY_DELAY = 30.0
    WEBHOOK_RETRY_MAX_DELAY = 6 * 60 * 60
    WEBHOOK_RETRY_JITTER = 0.2
    WEBHOOK_LEASE = 300
    WEBHOOK_RETENTION_DAYS = 90
    WEBHOOK_HEALTH_LIMITS: Mapping[str, int] = {"dead": 0, "oldest_age": 60 * 60}
    WEBHOOK_HEALTH_PERMISSION_CLASSES: Sequence[str] = ("rest_framework.permissions.IsAdminUser",)
    AUTHENTICATION_CLASSES: Sequence[str] | None = None
    PERMISSION_CLASSES: Sequence[str] = ("rest_framework.permissions.IsAuthenticated",)
    ACTION_PERMISSIONS: Mapping[str, Sequence[str]] = {}
    SERIALIZERS: Mapping[str, str] = {}
    THROTTLE_RATES: Mapping[str, str | None] = {}
    PAGE_SIZE = 25
    IDEMPOTENCY_KEY_TTL = 24 * 60 * 60
    OWNER_MODEL = settings.AUTH_USER_MODEL
    OWNER_RESOLVER = ""
    BILLING_VARIANT = ""
    CUSTOMER_DETAILS = ""
    PAST_DUE_GRACE_DAYS: int | None = 7
    ALLOW_REPEATED_TRIALS = False
    ALLOW_DUPLICATE_SUBSCRIPTIONS = False
    AUTOMATIC_TAX = False
    PRORATION_BEHAVIOR = "create_prorations"
    SUBSCRIPTION_SUCCESS_URL = ""
    SUBSCRIPTION_CANCEL_URL = ""
    PORTAL_RETURN_URL = ""
    OWNER_TIME_ZONE_RESOLVER = ""
    USAGE_THRESHOLDS: Sequence[int] = (80, 100)
    USAGE_RESERVATION_SECONDS = 15 * 60
    USAGE_METERS: Mapping[str, str] = {}
    PAYPAL_CLIENT_ID = ""
    PAYPAL_CLIENT_SECRET = ""
    PAYPAL_WEBHOOK_ID: str | Sequence[str] = ""
    PAYPAL_SANDBOX = False
    PAYPAL_API_BASE = ""
    PAYPAL_WEBHOOK_VERIFICATION = "offline"
    PAYPAL_WEBHOOK_TOLERANCE = 4 * DAY
    PAYPAL_CA_BUNDLE = ""

    class Meta:
        prefix = "stripe_gateway"


class PaymentsConf(AppConf):
    """Defaults of the django-payments settings that a host project can leave out."""

    MODEL = "django_stripe_gateway.Payment"
    VARIANTS: Mapping[str, tuple[str, dict[str, Any]]] = {"stripe": (STRIPE_PROVIDER, {})}

    class Meta:
        prefix = "payment"


def default_payment_host() -> None:
    """Give ``PAYMENT_HOST`` a value when django-payments would refuse to be imported without one."""
    if not getattr(settings, "PAYMENT_HOST", None) and "django.contrib.sites" not in settings.INSTALLED_APPS:
        settings.PAYMENT_HOST = unset_payment_host


default_payment_host()


def split_secrets(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the webhook secrets in ``value``: one, several separated by commas, or a list."""
    if not value:
        return ()
    parts = value.split(",") if isinstance(value, str) else value
    return tuple(part.strip() for part in parts if part.strip())


class GatewaySettings(BillingSettings, UsageSettings):
    """Typed, read-at-use view of the settings, so that ``override_settings`` works everywhere."""

    @property
    def api_key(self) -> str:
        """Secret key of the default account."""
        return str(self._get("API_KEY") or "")

    @property
    def webhook_secrets(self) -> tuple[str, ...]:
        """Signing secrets of the default account, several while one is being rotated."""
        return split_secrets(self._get("WEBHOOK_SECRET"))

    @property
    def api_base(self) -> str:
        """Address of the Stripe API, empty for Stripe's own."""
        return str(self._get("API_BASE") or "").rstrip("/")

    @property
    def localstripe_url(self) -> str:
        """Address of localstripe."""
        return str(self._get("LOCALSTRIPE_URL")).rstrip("/")

    @property
    def api_version(self) -> str:
        """Pinned Stripe API version, empty for the one the SDK was made for."""
        return str(self._get("API_VERSION") or "")

    @property
    def use_localstripe(self) -> bool:
        """Whether payments go to localstripe instead of Stripe (development only)."""
        return self._flag("USE_LOCALSTRIPE")

    @property
    def test_payment_method(self) -> str:
        """Payment method that confirms payments on localstripe."""
        return str(self._get("TEST_PAYMENT_METHOD"))

    @property
    def timeout(self) -> float:
        """Seconds to wait for Stripe's answer to one attempt."""
        return float(self._get("TIMEOUT"))

    @property
    def max_network_retries(self) -> int:
        """Attempts the SDK adds, with the same idempotency key, after a failed connection or a 5xx."""
        return int(self._get("MAX_NETWORK_RETRIES"))

    @property
    def pool_size(self) -> int:
        """Connections kept open to Stripe per account and process."""
        return int(self._get("POOL_SIZE"))

    @property
    def success_url(self) -> str:
        """Page of the host that customers see after paying; ``{payment_id}`` is filled in."""
        return str(self._get("SUCCESS_URL") or "")

    @property
    def failure_url(self) -> str:
        """Page of the host that customers see after giving up or failing."""
        return str(self._get("FAILURE_URL") or "")

    @property
    def checkout_expires_after(self) -> int | None:
        """Seconds a Checkout Session stays open (1800 to 86400), ``None`` for Stripe's 24 hours."""
        value = self._get("CHECKOUT_EXPIRES_AFTER")
        return None if value is None else int(value)

    @property
    def webhook_tolerance(self) -> int:
        """Seconds by which a signature's timestamp may differ from now."""
        return int(self._get("WEBHOOK_TOLERANCE"))

    @property
    def webhook_max_bytes(self) -> int:
        """Largest webhook body that is read."""
        return int(self._get("WEBHOOK_MAX_BYTES"))

    @property
    def webhook_processing(self) -> str:
        """Where events are handled: "inline" in the request that brings them, or "task" by workers."""
        return str(self._get("WEBHOOK_PROCESSING"))

    @property
    def webhook_queue(self) -> str:
        """Queue of the tasks that handle events."""
        return str(self._get("WEBHOOK_QUEUE"))

    @property
    def webhook_enqueue(self) -> str:
        """Dotted path of the function that hands an event, by its primary key, to a worker."""
        return str(self._get("WEBHOOK_ENQUEUE"))

    @property
    def webhook_unhandled(self) -> Sequence[str]:
        """Event types, with wildcards, that this app's own handlers leave alone."""
        return tuple(self._get("WEBHOOK_UNHANDLED"))

    @property
    def webhook_max_attempts(self) -> int:
        """Attempts after which an event is dead."""
        return int(self._get("WEBHOOK_MAX_ATTEMPTS"))

    @property
    def webhook_retry_delay(self) -> float:
        """Seconds until the second attempt; each further one waits twice as long."""
        return float(self._get("WEBHOOK_RETRY_DELAY"))

    @property
    def webhook_retry_max_delay(self) -> float:
        """Longest time in seconds between two attempts."""
        return float(self._get("WEBHOOK_RETRY_MAX_DELAY"))

    @property
    def webhook_retry_jitter(self) -> float:
        """Part of the delay (0 to 1) that is added at random, so that many events do not come back at once."""
        return float(self._get("WEBHOOK_RETRY_JITTER"))

    @property
    def webhook_lease(self) -> int:
        """Seconds after which a worker that has not finished an event is taken for dead."""
        return int(self._get("WEBHOOK_LEASE"))

    @property
    def webhook_retention_days(self) -> int:
        """Days that settled events are kept before ``purge_webhook_events`` deletes them."""
        return int(self._get("WEBHOOK_RETENTION_DAYS"))

    @property
    def webhook_health_limits(self) -> Mapping[str, int]:
        """Name of a count of the inbox → the most that is healthy."""
        return {name: int(most) for name, most in self._get("WEBHOOK_HEALTH_LIMITS").items()}

    @property
    def webhook_health_permission_classes(self) -> Sequence[str]:
        """Dotted paths of the permission classes of ``webhooks/health/``."""
        return tuple(self._get("WEBHOOK_HEALTH_PERMISSION_CLASSES"))

    @property
    def authentication_classes(self) -> Sequence[str] | None:
        """Dotted paths of the API's authentication classes, ``None`` for DRF's own setting."""
        value = self._get("AUTHENTICATION_CLASSES")
        return None if value is None else tuple(value)

    @property
    def permission_classes(self) -> Sequence[str]:
        """Dotted paths of the API's permission classes."""
        return tuple(self._get("PERMISSION_CLASSES"))

    @property
    def action_permissions(self) -> Mapping[str, Sequence[str]]:
        """Action of the API → dotted paths of the permission classes that it needs besides the API's."""
        return {action: tuple(paths) for action, paths in self._get("ACTION_PERMISSIONS").items()}

    @property
    def serializers(self) -> Mapping[str, str]:
        """Serializer name → dotted path of the host's replacement."""
        return dict(self._get("SERIALIZERS"))

    @property
    def throttle_rates(self) -> Mapping[str, str | None]:
        """Throttle scope → rate as DRF writes it ("100/hour"), ``None`` or absent for no limit."""
        return dict(self._get("THROTTLE_RATES"))

    @property
    def page_size(self) -> int:
        """Rows on a page of a list."""
        return int(self._get("PAGE_SIZE"))

    @property
    def idempotency_key_ttl(self) -> int:
        """Seconds for which a repeated ``Idempotency-Key`` gets the first answer."""
        return int(self._get("IDEMPOTENCY_KEY_TTL"))

    @property
    def paypal_client_id(self) -> str:
        """Client id of the default PayPal app."""
        return str(self._get("PAYPAL_CLIENT_ID") or "").strip()

    @property
    def paypal_client_secret(self) -> str:
        """Secret of the default PayPal app."""
        return str(self._get("PAYPAL_CLIENT_SECRET") or "").strip()

    @property
    def paypal_webhook_ids(self) -> tuple[str, ...]:
        """Ids of the default app's webhooks, several while an address is being moved."""
        return split_secrets(self._get("PAYPAL_WEBHOOK_ID"))

    @property
    def paypal_sandbox(self) -> bool:
        """Whether PayPal's sandbox is used, where no real money moves."""
        return self._flag("PAYPAL_SANDBOX")

    @property
    def paypal_api_base(self) -> str:
        """Address of the PayPal API, empty for PayPal's own."""
        return str(self._get("PAYPAL_API_BASE") or "").rstrip("/")

    @property
    def paypal_webhook_verification(self) -> str:
        """How PayPal's webhooks are verified: "offline" with its certificate, or "api" by asking PayPal."""
        return str(self._get("PAYPAL_WEBHOOK_VERIFICATION"))

    @property
    def paypal_webhook_tolerance(self) -> int:
        """Age in seconds up to which a delivery of PayPal's is accepted; PayPal repeats them for three days."""
        return int(self._get("PAYPAL_WEBHOOK_TOLERANCE"))

    @property
    def paypal_ca_bundle(self) -> str:
        """File of the authorities that may issue PayPal's signing certificate, empty for those of ``certifi``."""
        return str(self._get("PAYPAL_CA_BUNDLE") or "")

    @property
    def variants(self) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
        """django-payments' ``PAYMENT_VARIANTS``."""
        return getattr(settings, "PAYMENT_VARIANTS", None) or {}

    @property
    def payment_host(self) -> str:
        """Host name for absolute URLs from ``PAYMENT_HOST``, empty when it is not set."""
        host = getattr(settings, "PAYMENT_HOST", None)
        if not host or host is unset_payment_host:
            return ""
        return str(host() if callable(host) else host)

    @property
    def payment_uses_ssl(self) -> bool:
        """Whether absolute URLs are https (``PAYMENT_USES_SSL``, by default when DEBUG is off)."""
        return bool(getattr(settings, "PAYMENT_USES_SSL", not settings.DEBUG))


gateway_settings = GatewaySettings()
