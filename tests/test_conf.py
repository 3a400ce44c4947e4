"""The settings: a default for each, read at use, and a host that sets next to nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from django_stripe_gateway.conf import (
    SETTINGS,
    STRIPE_PROVIDER,
    GatewaySettings,
    StripeGatewayConf,
    gateway_settings,
    made_of_settings,
    split_secrets,
    unset_payment_host,
)
from django_stripe_gateway.conf.api import ACTIONS, CUSTOMERS_ACTIONS, THROTTLE_RATES
from django_stripe_gateway.conf.mails import MAIL_KINDS
from django_stripe_gateway.conf.setting import Setting

DECLARED = {
    attribute: value
    for cls in GatewaySettings.__mro__
    for attribute, value in vars(cls).items()
    if isinstance(value, Setting)
}
RENAMED = {"WEBHOOK_SECRET": "webhook_secrets", "PAYPAL_WEBHOOK_ID": "paypal_webhook_ids"}

OVERRIDES: list[tuple[str, Any, Any]] = [
    ("DELETED_OWNERS", "cancel", "cancel"),
    ("DISPUTED_ACCESS", "keep", "keep"),
    ("REFUNDED_ACCESS", "end", "end"),
    ("GUEST_PAYMENTS", True, True),
    ("API_KEY", "sk_test_other", "sk_test_other"),
    ("API_KEY", None, ""),
    ("ACCOUNT_ID", "acct_1Abc", "acct_1Abc"),
    ("CONTEXT", "acct_1Abc/acct_2", "acct_1Abc/acct_2"),
    ("API_BASE", "https://stripe.test/", "https://stripe.test"),
    ("API_BASE", None, ""),
    ("API_VERSION", "2026-10-28.endive", "2026-10-28.endive"),
    ("LOCALSTRIPE_URL", "http://localhost:8421/", "http://localhost:8421"),
    ("TEST_PAYMENT_METHOD", "pm_card_chargeDeclined", "pm_card_chargeDeclined"),
    ("TIMEOUT", "2.5", 2.5),
    ("MAX_NETWORK_RETRIES", "3", 3),
    ("POOL_SIZE", 5, 5),
    ("SUCCESS_URL", "/thanks/{payment_id}/", "/thanks/{payment_id}/"),
    ("FAILURE_URL", None, ""),
    ("CHECKOUT_EXPIRES_AFTER", "1800", 1800),
    ("CHECKOUT_OFFERS_TO_SAVE", True, True),
    ("PAYMENT_CUSTOMERS", "always", "always"),
    ("CHECKOUT_EXPIRES_AFTER", None, None),
    ("WEBHOOK_TOLERANCE", 60, 60),
    ("WEBHOOK_MAX_BYTES", 10, 10),
    ("WEBHOOK_PROCESSING", "task", "task"),
    ("WEBHOOK_QUEUE", "webhooks", "webhooks"),
    ("WEBHOOK_ENQUEUE", "shop.tasks.enqueue", "shop.tasks.enqueue"),
    ("WEBHOOK_UNHANDLED", ["charge.*"], ("charge.*",)),
    ("WEBHOOK_MAX_ATTEMPTS", "3", 3),
    ("WEBHOOK_RETRY_DELAY", 5, 5.0),
    ("WEBHOOK_RETRY_MAX_DELAY", "60", 60.0),
    ("WEBHOOK_RETRY_JITTER", 0, 0.0),
    ("WEBHOOK_LEASE", "60", 60),
    ("WEBHOOK_RETENTION_DAYS", 31, 31),
    ("WEBHOOK_HEALTH_LIMITS", {"failed": "3"}, {"failed": 3}),
    ("WEBHOOK_HEALTH_PERMISSION_CLASSES", ["a.B"], ("a.B",)),
    ("AUTHENTICATION_CLASSES", ["a.B"], ("a.B",)),
    ("AUTHENTICATION_CLASSES", None, None),
    ("PERMISSION_CLASSES", [], ()),
    ("ACTION_PERMISSIONS", {"refund_payment": ["a.B"]}, {"refund_payment": ("a.B",)}),
    ("SERIALIZERS", {"payment": "a.B"}, {"payment": "a.B"}),
    (
        "THROTTLE_RATES",
        {"payments.read": None, "portal": "1/day"},
        THROTTLE_RATES | {"payments.read": None, "portal": "1/day"},
    ),
    ("THROTTLE_RATES", None, {}),
    ("CUSTOMER_ACTIONS", ["subscribe"], frozenset({"subscribe"})),
    ("CUSTOMER_ACTIONS", ["default", "pause_subscription"], frozenset({*CUSTOMERS_ACTIONS, "pause_subscription"})),
    ("CUSTOMER_ACTIONS", ["*"], frozenset(ACTIONS)),
    ("CUSTOMER_ACTIONS", [], frozenset()),
    ("PAGE_SIZE", "50", 50),
    ("IDEMPOTENCY_KEY_TTL", 3600, 3600),
    ("OWNER_MODEL", "teams.Team", "teams.Team"),
    ("ADAPTER", "shop.adapter.ShopAdapter", "shop.adapter.ShopAdapter"),
    ("BILLING_VARIANT", None, ""),
    ("BILLING_VARIANT", "eu", "eu"),
    ("ALLOW_REPEATED_TRIALS", True, True),
    ("ASK_BEFORE_SALE", 0, False),
    ("TRIALS_ONCE_PER", "owner", "owner"),
    ("TRIAL_END_BEHAVIOR", "pause", "pause"),
    ("SUBSCRIPTIONS_PER_OWNER", "several", "several"),
    ("AUTOMATIC_TAX", True, True),
    ("PRORATION_BEHAVIOR", "none", "none"),
    ("PRORATION_BEHAVIOR", "invoice_increases", "invoice_increases"),
    ("SUBSCRIPTION_SUCCESS_URL", "/welcome/", "/welcome/"),
    ("SUBSCRIPTION_CANCEL_URL", None, ""),
    ("PORTAL_RETURN_URL", "/account/", "/account/"),
    ("MAX_PAUSE_DAYS", None, None),
    ("MAX_PAUSE_DAYS", "30", 30),
    ("PAUSED_IS_VALID", True, True),
    ("PAST_DUE_GRACE_DAYS", "3", 3),
    ("PAST_DUE_GRACE_DAYS", None, None),
    ("USAGE_THRESHOLDS", [100, 50, 100], (50, 100)),
    ("USAGE_RESERVATION_SECONDS", "60", 60),
    ("USAGE_METERS", {"minutes": "call_minutes"}, {"minutes": "call_minutes"}),
    ("MAILS", True, frozenset(MAIL_KINDS)),
    ("MAILS", ["paid", "refunded"], frozenset({"paid", "refunded"})),
    ("MAILS", None, frozenset()),
    ("MAIL_FROM", "Shop <a@b.example>", "Shop <a@b.example>"),
    ("MAIL_REPLY_TO", None, ""),
    ("MAIL_REPLY_TO", "a@b.example", "a@b.example"),
    ("MAIL_SITE_NAME", "Shop", "Shop"),
    ("MAIL_ACCOUNT_URL", "/account/", "/account/"),
    ("MAIL_TEST_MODE", True, True),
    ("MAIL_TEST_MODE", "false", False),
    ("MAIL_DELIVERY", "command", "command"),
    ("MAIL_ENQUEUE", "shop.tasks.send", "shop.tasks.send"),
    ("MAIL_MAX_ATTEMPTS", "3", 3),
    ("MAIL_RENEWAL_DAYS", "28", 28),
    ("MAIL_CARD_DAYS", "60", 60),
    ("PAYPAL_CLIENT_ID", " id ", "id"),
    ("PAYPAL_CLIENT_SECRET", None, ""),
    ("PAYPAL_CLIENT_SECRET", "secret", "secret"),
    ("PAYPAL_WEBHOOK_ID", "A, B", ("A", "B")),
    ("PAYPAL_SANDBOX", "true", True),
    ("PAYPAL_API_BASE", "https://paypal.test/", "https://paypal.test"),
    ("PAYPAL_WEBHOOK_VERIFICATION", "api", "api"),
    ("PAYPAL_WEBHOOK_TOLERANCE", "60", 60),
    ("PAYPAL_CA_BUNDLE", "/etc/authorities.pem", "/etc/authorities.pem"),
    ("WEBHOOK_SECRET", "whsec_1, whsec_2,,", ("whsec_1", "whsec_2")),
    ("WEBHOOK_SECRET", ["whsec_1", " whsec_2 "], ("whsec_1", "whsec_2")),
    ("WEBHOOK_SECRET", None, ()),
]


def test_every_setting__stands_in_the_table_once() -> None:
    assert sorted(setting.name for setting in DECLARED.values()) == sorted(SETTINGS)
    assert {attribute: SETTINGS[setting.name] for attribute, setting in DECLARED.items()} == DECLARED
    assert {RENAMED.get(name, name.lower()) for name in SETTINGS} == set(DECLARED)
    defaults = {setting.full_name: setting.default for setting in SETTINGS.values()}
    assert StripeGatewayConf._meta.defaults == defaults


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting__says_what_it_is_and_keeps_its_own_rule(name: str) -> None:
    setting = SETTINGS[name]
    assert setting.sentence.endswith(".")
    assert setting.rule.must
    assert not setting.rule.must.endswith(".")
    assert setting.rule(setting.default)
    # Nothing fits every setting; a rule that lets anything pass would be none.
    assert not setting.rule(object())
    assert all(isinstance(path, str) for path in setting.rule.paths(setting.default))


def test_every_setting__is_overridden_in_these_tests() -> None:
    assert {name for name, _value, _expected in OVERRIDES} | {"USE_LOCALSTRIPE"} == set(SETTINGS)


@pytest.mark.parametrize(("name", "value", "expected"), OVERRIDES)
def test_override__is_seen_at_once(name: str, value: Any, expected: Any) -> None:
    attribute = RENAMED.get(name, name.lower())
    before = getattr(gateway_settings, attribute)
    with override_settings(**{f"STRIPE_GATEWAY_{name}": value}):
        assert getattr(gateway_settings, attribute) == expected
        assert type(getattr(gateway_settings, attribute)) is type(expected)
    assert getattr(gateway_settings, attribute) == before


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (False, False),
        (None, False),
        ("True", True),
        ("1", True),
        ("yes", True),
        # Whatever is not clearly "on" keeps the production path.
        ("False", False),
        ("0", False),
        ("no", False),
        ("", False),
        ("off", False),
        ("maybe", False),
    ],
)
def test_use_localstripe__needs_a_clear_yes(value: Any, expected: bool) -> None:
    with override_settings(STRIPE_GATEWAY_USE_LOCALSTRIPE=value):
        assert gateway_settings.use_localstripe is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, ()), ("", ()), (" , ", ()), ("a", ("a",)), ("a,b", ("a", "b")), (("a", ""), ("a",)), ([], ())],
)
def test_split_secrets(value: Any, expected: tuple[str, ...]) -> None:
    assert split_secrets(value) == expected


def test_variants(settings: Any) -> None:
    assert gateway_settings.variants["stripe"][0] == STRIPE_PROVIDER
    settings.PAYMENT_VARIANTS = None
    assert gateway_settings.variants == {}


def test_payment_host(settings: Any) -> None:
    for value, expected in [("a.test", "a.test"), (lambda: "b.test", "b.test"), (None, ""), (unset_payment_host, "")]:
        settings.PAYMENT_HOST = value
        assert gateway_settings.payment_host == expected
    with pytest.raises(ImproperlyConfigured, match=r"PAYMENT_HOST is not set\. Add"):
        unset_payment_host()


MINIMAL = """
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="x",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", {apps}],
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    {extra}
)
django.setup()
"""
SHOWN = """
from payments import get_payment_model
from payments.core import provider_factory
from django.core.management import call_command
from django_stripe_gateway.conf import gateway_settings
print(settings.PAYMENT_MODEL, get_payment_model().__name__, list(settings.PAYMENT_VARIANTS))
print(type(provider_factory("stripe")).__name__, repr(gateway_settings.payment_host), gateway_settings.payment_uses_ssl)
call_command("migrate", verbosity=0)
get_payment_model().objects.create(variant="stripe", currency="USD", total=10)
print(get_payment_model().objects.get())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "apps",
    ['"django_stripe_gateway"', '"payments", "django_stripe_gateway"', '"django_stripe_gateway", "payments"'],
)
def test_host_that_sets_nothing(apps: str) -> None:
    answer = run(MINIMAL.format(apps=apps, extra="") + SHOWN)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines() == [
        "django_stripe_gateway.Payment Payment ['stripe']",
        "StripeProvider '' True",
        "Payment 1: 10.00 USD (waiting)",
    ]


def test_host_with_the_sites_framework() -> None:
    apps = '"django.contrib.sites", "django_stripe_gateway"'
    answer = run(MINIMAL.format(apps=apps, extra="") + 'print(hasattr(settings, "PAYMENT_HOST"))' + SHOWN)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[0] == "False"


def test_host_with_its_own_values() -> None:
    extra = (
        'PAYMENT_HOST="a.test", PAYMENT_VARIANTS={"cards": ("payments.dummy.DummyProvider", {})}, PAYMENT_USES_SSL=0'
    )
    show = "print(settings.PAYMENT_HOST, list(settings.PAYMENT_VARIANTS), settings.PAYMENT_USES_SSL)"
    answer = run(MINIMAL.format(apps='"django_stripe_gateway"', extra=extra) + show)
    assert answer.stdout.strip() == "a.test ['cards'] 0", answer.stderr


def test_host_without_a_host_name__is_refused_at_checkout() -> None:
    code = MINIMAL.format(apps='"django_stripe_gateway"', extra="") + (
        "from django_stripe_gateway.models.return_urls import default_base_url\ndefault_base_url()"
    )
    assert 'PAYMENT_HOST is not set. Add PAYMENT_HOST = "shop.example.com"' in run(code).stderr


def test_changed_in_place__is_seen_at_once(settings: Any) -> None:
    settings.STRIPE_GATEWAY_ACTION_PERMISSIONS = {"refund_payment": ["a.B"]}
    assert gateway_settings.action_permissions == {"refund_payment": ("a.B",)}
    settings.STRIPE_GATEWAY_ACTION_PERMISSIONS["refund_payment"].append("c.D")
    assert gateway_settings.action_permissions == {"refund_payment": ("a.B", "c.D")}


def test_unchanged__is_read_once(settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_THRESHOLDS = [100, 50]
    first = gateway_settings.usage_thresholds
    assert gateway_settings.usage_thresholds is first


def test_made_of_settings__made_anew_when_one_of_them_changes(settings: Any) -> None:
    calls: list[str] = []

    @made_of_settings("PAYMENT_VARIANTS", "STRIPE_GATEWAY_API_KEY")
    def made(name: str) -> str:
        calls.append(name)
        if name == "unknown":
            raise LookupError(name)
        return f"{name}:{settings.STRIPE_GATEWAY_API_KEY}:{settings.PAYMENT_VARIANTS['one'][1]['ids']}"

    settings.STRIPE_GATEWAY_API_KEY = "sk_test_1"
    settings.PAYMENT_VARIANTS = {"one": ("a.B", {"ids": ["1"], "odd": iter(())}), "two": ("a.B", None)}
    assert [made("one"), made("one"), made("two")] == ["one:sk_test_1:['1']"] * 2 + ["two:sk_test_1:['1']"]
    assert calls == ["one", "two"]
    settings.PAYMENT_VARIANTS["one"][1]["ids"].append("2")
    assert made("one") == "one:sk_test_1:['1', '2']"
    with override_settings(STRIPE_GATEWAY_API_KEY="sk_test_2"):
        assert made("one") == "one:sk_test_2:['1', '2']"
    assert made("one") == "one:sk_test_1:['1', '2']"
    for _twice in range(2):
        with pytest.raises(LookupError):
            made("unknown")
    assert calls == ["one", "two", "one", "one", "one", "unknown", "unknown"]


@pytest.mark.parametrize("rate", ["10/month", "10/millisecond", "0/hour", "10/week", "10/hours", "010/hour", "٣/hour"])
def test_rates__only_what_is_read_as_it_is_written(rate: str) -> None:
    assert not SETTINGS["THROTTLE_RATES"].rule({"portal": rate})
    for word in ("s", "sec", "second", "m", "min", "minute", "h", "hour", "d", "day"):
        assert SETTINGS["THROTTLE_RATES"].rule({"portal": f"10/{word}"})


def test_wrong_type__says_so_when_it_is_read(settings: Any) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = None
    with pytest.raises(ImproperlyConfigured, match="STRIPE_GATEWAY_CUSTOMER_ACTIONS must be a list"):
        _ = gateway_settings.customer_actions
