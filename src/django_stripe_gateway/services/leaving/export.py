"""Everything that is stored about somebody, as plain values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Model

from django_stripe_gateway.models import (
    Customer,
    LimitOverride,
    MeterEvent,
    UsageCounter,
    UsageGrant,
    UsageRecord,
    UsageReservation,
)
from django_stripe_gateway.services.leaving.events import events_about
from django_stripe_gateway.services.leaving.whose import Account, account_of
from django_stripe_gateway.services.usage.transactions import usage_database

# What opens something to whoever has it, or says nothing about anybody.
SECRET_COLUMNS = frozenset({"token", "idempotency_key", "request_key", "details_digest", "fingerprint"})
SECRET_NAMES = frozenset(
    """
    client_secret secret token client_reference_id custom_id idempotency_key digest
    url action_url gateway_url success_url cancel_url return_url
    """.split()
)
OF_INVOICES = ("refunds", "credit_notes", "disputes")
USAGE = {
    "counters": UsageCounter,
    "records": UsageRecord,
    "reservations": UsageReservation,
    "grants": UsageGrant,
    "overrides": LimitOverride,
}


def export_owner(*, owner: Any = None, customer: Customer | None = None, email: str = "") -> dict[str, Any]:
    """Return everything that is stored about an owner, without secrets; ``json.dumps`` takes it.

    Args:
        owner: instance of ``STRIPE_GATEWAY_OWNER_MODEL``, or a user who has paid without being billed.
        customer: in place of an owner who is gone.
        email: the billing address of one who is gone: payments without an owner that carry it are theirs.

    Raises:
        InvalidInput: nobody is named, or an owner and somebody who is gone.
    """
    account = account_of(owner, customer, email)
    exported = {
        "customers": _rows(account.customers),
        "subscriptions": [
            {
                **_row(subscription),
                "items": _rows(subscription.items.all()),
                "logs": _rows(subscription.logs.all()),
            }
            for subscription in account.subscriptions.prefetch_related("items", "logs")
        ],
        "invoices": [
            {**_row(invoice), **{name: _rows(getattr(invoice, name).all()) for name in OF_INVOICES}}
            for invoice in account.invoices.prefetch_related(*OF_INVOICES)
        ],
        "payments": [
            {
                **_row(payment),
                "refunds": _rows(payment.refunds.all()),
                "unexpected": _rows(payment.unexpected.all()),
                "disputes": _rows(payment.disputes.all()),
                "logs": _rows(payment.logs.all()),
                "operations": _rows(payment.operations.all()),
            }
            for payment in account.payments.prefetch_related("refunds", "unexpected", "disputes", "logs", "operations")
        ],
        "operations": _rows(account.operations),
        "mails": _rows(account.mails),
        "cards": _rows(account.cards),
        "usage": _usage(account),
        "idempotency_keys": _rows(account.keys),
        "events": sorted((_event(event) for event in events_about(account)), key=lambda event: str(event["received"])),
    }
    plain: dict[str, Any] = json.loads(json.dumps(exported, cls=DjangoJSONEncoder))
    return plain


def _usage(account: Account) -> dict[str, Any]:
    using, owner = usage_database(), account.owner
    found: dict[str, Any] = {
        name: _rows(model._base_manager.using(using).filter(owner_id=owner.pk)) if account.is_owner else []
        for name, model in USAGE.items()
    }
    meter_events = MeterEvent.objects.using(using).filter(customer__in=[customer.pk for customer in account.customers])
    return found | {"meter_events": _rows(meter_events)}


def _event(event: Any) -> dict[str, Any]:
    try:
        body = json.loads(event.body)
    except ValueError:
        body = None
    return {**_row(event), "body": _without_secrets(body)}


def _rows(rows: Iterable[Model]) -> list[dict[str, Any]]:
    return [_row(row) for row in rows]


def _row(row: Model) -> dict[str, Any]:
    """Return the columns of a row, those of a host's own included."""
    found = {}
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if field.attname in SECRET_COLUMNS:
            continue
        if field.attname in ("extra_data", "response_body"):
            value = _parsed(value)
        found[field.attname] = _without_secrets(value if _is_plain(value) else str(value))
    return found


def _parsed(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def _is_plain(value: Any) -> bool:
    try:
        json.dumps(value, cls=DjangoJSONEncoder)
    except (TypeError, ValueError):
        return False
    return True


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_secrets(item) for name, item in value.items() if name not in SECRET_NAMES}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_without_secrets(item) for item in value]
    return value
