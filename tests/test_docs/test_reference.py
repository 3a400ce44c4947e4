"""The reference says what the code says."""

from __future__ import annotations

import inspect
import re
import runpy
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import BaseCommand, get_commands, load_command_class
from django.db.models.base import ModelBase
from django.urls import URLPattern, get_resolver

import django_stripe_gateway
from django_stripe_gateway import choices, conf, exceptions, models, money, transitions
from django_stripe_gateway.conf.api import (
    PAYMENT_ACTIONS,
    SUBSCRIPTION_ACTIONS,
    THROTTLE_RATES,
)
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.paypal.payments import PayPalGateway
from django_stripe_gateway.gateways.stripe.checkout import StripeCheckoutGateway
from django_stripe_gateway.gateways.stripe.errors import PRICE_SENTENCES
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.models.payment_querysets import PaymentQuerySet
from django_stripe_gateway.webhooks import registry
from tests.conftest import SIGNALS
from tests.test_docs.blocks import DOCS, ROOT
from tests.test_docs.guide import guide
from tests.test_docs.tables import codes, rows, sections

REFERENCE = DOCS / "reference"
SOURCE = Path(django_stripe_gateway.__file__).parent


def read(name: str) -> str:
    """Return a page of the reference."""
    return (REFERENCE / f"{name}.md").read_text(encoding="utf-8")


def source_text() -> str:
    """Return all of the package's Python."""
    return "\n".join(path.read_text(encoding="utf-8") for path in SOURCE.rglob("*.py"))


def test_settings() -> None:
    written = read("settings")
    expected = runpy.run_path(str(ROOT / "scripts" / "write_settings_reference.py"))["page"](written)
    assert written == expected, "Run: python scripts/write_settings_reference.py"
    found = sections(REFERENCE / "settings.md")
    tables = [text for title, text in found.items() if title != "django-payments' settings"]
    documented = {codes(row[0])[0]: row for text in tables for row in rows(text)}
    defaults = conf.StripeGatewayConf._meta.defaults
    assert documented.keys() == defaults.keys()
    for name, row in documented.items():
        assert eval(codes(row[2])[0]) == defaults[name], name
    own = {codes(row[0])[0]: row for row in rows(found["django-payments' settings"])}
    assert set(own) == {*conf.PaymentsConf._meta.defaults, "PAYMENT_HOST", "PAYMENT_USES_SSL"}
    for name, default in conf.PaymentsConf._meta.defaults.items():
        assert eval(codes(own[name][1])[0]) == default, name


def test_settings__checks_exist() -> None:
    known = {codes(row[0])[0] for row in rows(read("checks"), "id")}
    named = set(re.findall(r"\b[EW]\d{3}\b", read("settings")))
    assert named <= known


def test_checks() -> None:
    documented = {codes(row[0])[0]: row for row in rows(read("checks"), "id")}
    files = [*(SOURCE / "checks").glob("*.py"), *(SOURCE / "gateways").glob("*/checks.py")]
    sources = "\n".join(path.read_text(encoding="utf-8") for path in files)
    made = {
        ("E" if kind == "error" else "W") + number
        for kind, number in re.findall(r"(error|warning)\(\s*\"(\d{3})\"", sources)
    }
    assert set(documented) == made
    stated = dict(re.findall(r"^([EW]\d{3})\s+\w+\s+(\w+)", sources, re.MULTILINE))
    assert {name: row[2] for name, row in documented.items()} == stated
    for name, row in documented.items():
        assert row[1] == ("error" if name.startswith("E") else "warning"), name


def test_errors() -> None:
    text = source_text()
    used = set(re.findall(r"code=\"([a-z_]+)\"", text)) - {"async_payment_failed", "no_redirect"}
    used |= set(re.findall(r"ErrorDetail\(detail, \"([a-z_]+)\"", text))
    used |= {"internal_error", "event_failed", "no_status", "given_back", *PRICE_SENTENCES.values()}
    base = exceptions.GatewayError
    classes = {value for value in vars(exceptions).values() if inspect.isclass(value) and issubclass(value, base)}
    used |= {cls.default_code for cls in classes}
    documented = {codes(row[0])[0]: row for row in rows(read("errors"), "code")}
    assert set(documented) == used
    by_name = {cls.__name__: cls for cls in classes}
    for code, row in documented.items():
        if not row[3] or code in ("provider_state", "unknown_variant"):
            continue
        cls = by_name[codes(row[3])[0]]
        assert (row[1], codes(row[2])) == (str(cls.status_code), [cls.type]), code


def test_troubleshooting__codes_exist() -> None:
    documented = {codes(row[0])[0] for row in rows(read("errors"), "code")}
    section = sections(DOCS / "howto" / "troubleshooting.md")["Error codes"]
    assert {code for row in rows(section) for code in codes(row[0])} <= documented


def test_actions__are_all_named() -> None:
    actions = set(PAYMENT_ACTIONS + SUBSCRIPTION_ACTIONS)
    assert actions <= set(codes(sections(REFERENCE / "http-api.md")["Endpoints"]))


def test_rates() -> None:
    documented = {codes(row[0])[0]: codes(row[1])[0] for row in rows(sections(REFERENCE / "http-api.md")["Rates"])}
    assert documented == THROTTLE_RATES


def test_endpoints() -> None:
    documented = {(codes(row[1])[0], row[0], (codes(row[2]) or [""])[0]) for row in rows(read("http-api"))}
    actual = set()
    for path, pattern in endpoints():
        view: Any = getattr(pattern.callback, "cls", None) or pattern.callback.view_class
        methods = [name.upper() for name in ("get", "post", "put", "patch", "delete") if hasattr(view, name)]
        path = re.sub(r"<\w+:(\w+)>", r"{\1}", path.replace("<str:payment_id>", "{id}"))
        actual |= {(path, method, getattr(view, "rate_scope", "")) for method in methods}
    assert documented == actual


def endpoints() -> list[tuple[str, URLPattern]]:
    """Return the app's addresses."""

    def walk(resolver: Any, prefix: str) -> Any:
        for pattern in resolver.url_patterns:
            path = prefix + str(pattern.pattern)
            yield from [(path, pattern)] if isinstance(pattern, URLPattern) else walk(pattern, path)

    return [
        (path.removeprefix("^/"), pattern) for path, pattern in walk(get_resolver("django_stripe_gateway.urls"), "")
    ]


def test_api__fields() -> None:
    from django_stripe_gateway.api.payments import serializers
    from django_stripe_gateway.api.payments.filters import PaymentFilterSerializer
    from django_stripe_gateway.api.usage import serializers as usage_serializers

    found = sections(REFERENCE / "http-api.md")
    shown = {name for row in rows(found["The payment"]) for name in codes(row[0])}
    assert shown == set(serializers.PaymentSerializer().fields)
    asked = {codes(row[0])[0] for row in rows(found["POST payments/create_payment/"])}
    assert asked == set(serializers.CreatePaymentSerializer().fields)
    limit = {codes(row[0])[0] for row in rows(found["GET subscriptions/me/limits/"])}
    assert limit == set(usage_serializers.LimitStateSerializer().fields)
    use = {codes(row[0])[0] for row in rows(found["POST subscriptions/me/usage/"])}
    assert use == set(usage_serializers.UseSerializer().fields)
    filters = {codes(row[0])[0] for row in rows(found["Lists"])}
    assert filters == set(PaymentFilterSerializer().fields)


def test_signals() -> None:
    comments = (SOURCE / "signals.py").read_text(encoding="utf-8")
    commented = re.findall(r"^# ((?:[^:(]|\([^)]*\))*): .*\n(\w+) = Signal", comments, re.MULTILINE)
    stated = {name: arguments for arguments, name in commented}
    found = sections(REFERENCE / "signals.md")
    documented = {name: text for name, text in found.items() if "Arguments:" in text}
    assert documented.keys() == SIGNALS.keys() == stated.keys()
    for name, text in documented.items():
        line = bare_arguments(text[text.index("Arguments:") :].splitlines()[0].replace("`", ""))
        assert line == bare_arguments(stated[name]), name


def bare_arguments(text: str) -> list[str]:
    """Return the names of arguments, without what stands in brackets."""
    return re.findall(r"\w+", re.sub(r"\([^)]*\)", "", text.removeprefix("Arguments: ")))


@pytest.mark.django_db(transaction=True)
def test_signals__receivers_take_what_is_sent(settings: Any, user: Any, stripe_server: Any, capsys: Any) -> None:
    with guide(settings, user, stripe_server) as followed:
        followed.follow(REFERENCE / "signals.md")
        payment = followed.authorized_payment()
        from django_stripe_gateway.payments import cancel_payment, capture_payment, refund_payment

        capture_payment(payment=payment, amount=Decimal("8.00"))
        refund_payment(payment=payment, amount=Decimal("3.00"))
        cancel_payment(payment=followed.waiting_payment())
    printed = capsys.readouterr().out
    for words in ("new payment", "reserved", "captured 8.00 of", "took", "refunded", "cancelled"):
        assert words in printed


@pytest.mark.parametrize("name", sorted(SIGNALS))
def test_signals__example(name: str, settings: Any) -> None:
    arguments = re.search(r"def \w+\((.*?)\)", sections(REFERENCE / "signals.md")[name])
    assert arguments is not None
    assert arguments[1].startswith("sender, ")
    assert arguments[1].endswith(", **kwargs")


def test_event_types() -> None:
    documented = {codes(row[0])[0] for row in rows(read("webhooks"), "event")}
    own = {
        event_type
        for event_type in registry.handled_types()
        if any(handler.__module__.startswith("django_stripe_gateway.") for handler in registry.handlers_for(event_type))
    }
    assert documented == own
    listed = sections(DOCS / "howto" / "checkout-in-production.md")["The webhook endpoint"]
    stripes = {event_type for event_type in own if event_type.islower()}
    assert {code for code in codes(listed) if re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", code)} == stripes
    listed = sections(DOCS / "howto" / "paypal.md")["The webhook"]
    assert {code for code in codes(listed) if re.fullmatch(r"[A-Z]+(\.[A-Z]+)+", code)} == own - stripes


def test_event_states() -> None:
    documented = [codes(row[0])[0] for row in rows(read("webhooks"), "state")]
    assert documented == choices.WebhookState.values


def test_transitions() -> None:
    text = (DOCS / "explanation" / "status-and-order.md").read_text(encoding="utf-8")
    documented = {codes(row[0])[0]: set(codes(row[1])) for row in rows(text)}
    assert documented == {key: set(value) for key, value in transitions.ALLOWED_TRANSITIONS.items()}
    section = sections(REFERENCE / "models.md")["Refund"]
    documented = {codes(row[0])[0]: set(codes(row[1])) for row in rows(section)}
    assert documented == {key: set(value) for key, value in transitions.ALLOWED_REFUND_TRANSITIONS.items()}


def test_statuses() -> None:
    documented = {codes(row[0])[0] for row in rows(sections(REFERENCE / "models.md")["Status"])}
    assert documented == set(choices.PaymentStatus.values)


def test_payment__fields() -> None:
    documented = {name for row in rows(sections(REFERENCE / "models.md")["Payment"]) for name in codes(row[0])}
    fields = {field.name for field in AbstractPayment._meta.get_fields()}
    assert {name for name in fields if not name.startswith("billing_")} == documented - {"billing_…"}


def test_payment__predicates() -> None:
    found = rows(sections(REFERENCE / "models.md")["Predicates and querysets"])
    predicates = {
        name for name, value in vars(AbstractPayment).items() if name.startswith("is_") and isinstance(value, property)
    }
    assert {codes(row[0])[0] for row in found} == predicates
    for row in found:
        method = codes(row[1])[0].removesuffix("()")
        assert hasattr(PaymentQuerySet, method), method


# Described in words and tables of another kind.
DESCRIBED = {
    "AbstractPayment",
    "Payment",
    "LimitOverride",
    "UsageGrant",
    "UsageRecord",
    "UsageReservation",
    "get_payment_model",
}


MODELS = {name for name in models.__all__ if isinstance(getattr(models, name), ModelBase)}


@pytest.mark.parametrize("name", sorted(MODELS - DESCRIBED))
def test_models__fields_exist(name: str) -> None:
    model = getattr(models, name)
    text = re.split(r"^\||Querysets:|`\w+` is one of", sections(REFERENCE / "models.md")[name], flags=re.MULTILINE)[0]
    predicates = (attribute for attribute, value in vars(model).items() if isinstance(value, property))
    known = {*(field.name for field in model._meta.get_fields()), *predicates, "payload", "AppendOnlyError"}
    words = [code for code in codes(text) if re.fullmatch(r"\w+", code)]
    assert set(words) <= known


BILLING = [
    models.Customer,
    models.Subscription,
    models.SubscriptionItem,
    models.Invoice,
    models.Plan,
    models.PlanPricing,
    models.PlanLimit,
    models.BillingOperation,
    models.CatalogueOperation,
]
#: What the services keep for themselves.
INTERNAL = {
    "asked_in_vain",
    "asked_on_return",
    "details_changed",
    "details_digest",
    "fetched_at",
    "params",
    "periods_since",
    "provider_time",
    "daily_amount",
    "is_leased",
    "is_pending",
    "rank",
    "request_key",
    "with_price",
}


@pytest.mark.parametrize("model", BILLING)
def test_models__are_described_wholly(model: Any) -> None:
    own = {field.name for field in model._meta.get_fields() if not field.auto_created}
    for cls in (*model.__mro__, *type(model.objects.none()).__mro__):
        if cls.__module__.startswith("django_stripe_gateway."):
            found = {name for name, value in vars(cls).items() if isinstance(value, property) or callable(value)}
            own |= {name for name in found if not name.startswith("_")}
    # What Django adds to every model, and to fields with choices and dates.
    own = {name for name in own if name.islower() and not name.startswith("get_")}
    words = set(re.findall(r"\w+", " ".join(codes(sections(REFERENCE / "models.md")[model.__name__]))))
    assert own - INTERNAL <= words


def test_log__values() -> None:
    text = sections(REFERENCE / "models.md")["PaymentLog"]
    assert {*choices.LogEvent.values, *choices.LogSource.values} <= set(codes(text))


def test_gateways() -> None:
    payments = "redirect confirm manual_capture partial_capture partial_refund".split()
    flags = [*payments, "fees", "customers", "destinations", "application_fees"]
    gateways = {cls.__name__: cls for cls in (PayPalGateway, StripeCheckoutGateway, StripeIntentGateway)}
    for row in rows(read("gateways")):
        gateway = gateways[codes(row[0])[0]]
        assert [cell == "yes" for cell in row[2:]] == [getattr(gateway, f"supports_{flag}") for flag in flags]
    assert {f"supports_{flag}" for flag in flags} == {name for name in vars(Gateway) if name.startswith("supports_")}


def test_variant_options() -> None:
    from django_stripe_gateway.gateways.stripe.checks import OPTIONS

    text = (DOCS / "howto" / "several-accounts.md").read_text(encoding="utf-8")
    assert {codes(row[0])[0] for row in rows(text)} == set(OPTIONS)


def test_currencies() -> None:
    found = [set(row[3].split(", ")) for row in rows(read("currencies"))]
    assert found == [money.ZERO_DECIMAL, money.WHOLE_UNITS_AS_HUNDREDTHS, money.THREE_DECIMAL, money.TWO_DECIMAL]
    for row in rows(read("currencies")):
        amount, currency = codes(row[1])[0], row[1].split()[-1]
        assert str(money.to_minor_units(Decimal(amount), currency)) == codes(row[2])[0]
        assert money.format_amount(Decimal(amount), currency) == amount


def test_commands() -> None:
    documented = sections(REFERENCE / "commands.md")
    names = {name for name, app in get_commands().items() if app == "django_stripe_gateway"}
    assert names <= documented.keys()
    # Django's own options, which every command has.
    common = {action.dest for action in BaseCommand().create_parser("manage.py", "x")._actions}
    for name in names:
        command = load_command_class("django_stripe_gateway", name)
        own = {
            action.option_strings[-1] if action.option_strings else action.metavar
            for action in command.create_parser("manage.py", name)._actions
            if action.dest not in common
        }
        assert {codes(row[0])[0] for row in rows(documented[name], "option")} == own, name


def test_example_environment() -> None:
    settings_py = (DOCS.parent / "example_project" / "config" / "settings.py").read_text(encoding="utf-8")
    read_there = set(re.findall(r"environment\.\w+\(\s*\"([A-Z_]+)\"", settings_py)) | {"DJANGO_CONFIGURATION"}
    section = sections(DOCS / "howto" / "local-development.md")["The example project"]
    assert {name for row in rows(section) for name in codes(row[0])} == read_there
