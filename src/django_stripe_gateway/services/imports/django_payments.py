"""Bring the payments of a model of django-payments' into this app's, each once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import IntegrityError
from django.db.models import DecimalField, GenericIPAddressField
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from django_stripe_gateway.choices import CaptureMethod, LogEvent, PaymentStatus, RefundStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import InvalidInput
from django_stripe_gateway.gateways.registry import get_gateway, is_supported_variant
from django_stripe_gateway.models import AbstractPayment, Refund, get_payment_model
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.money import format_amount
from django_stripe_gateway.services.audit import announce_status, without_signals, write_log
from django_stripe_gateway.services.imports.payments import date_back, gateway_name, token_of
from django_stripe_gateway.services.imports.reading import Result, attempt
from django_stripe_gateway.services.imports.results import IMPORT, Imported, Outcome
from django_stripe_gateway.services.imports.tables import ForeignTable
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock

KIND = "payments"
NEEDED = ("variant", "status", "total", "currency", "transaction_id", "token", "captured_amount")
COPIED = (
    "description fraud_status fraud_message message extra_data customer_ip_address billing_first_name "
    "billing_last_name billing_address_1 billing_address_2 billing_city billing_postcode billing_country_code "
    "billing_country_area billing_email billing_phone"
).split()
AMOUNTS = ("delivery", "tax")
# Stripe writes the mode into the ids of pages: "cs_test_…".
MODE_OF_ID = re.compile(r"cs_(test|live)_")
#: The moves by which a payment that waits comes to each status.
PATHS: Mapping[str, tuple[str, ...]] = {
    PaymentStatus.WAITING: (),
    PaymentStatus.INPUT: (PaymentStatus.INPUT,),
    PaymentStatus.PREAUTH: (PaymentStatus.PREAUTH,),
    PaymentStatus.CONFIRMED: (PaymentStatus.CONFIRMED,),
    PaymentStatus.REFUNDED: (PaymentStatus.CONFIRMED, PaymentStatus.REFUNDED),
    PaymentStatus.REJECTED: (PaymentStatus.REJECTED,),
    PaymentStatus.ERROR: (PaymentStatus.ERROR,),
    PaymentStatus.CANCELLED: (PaymentStatus.CANCELLED,),
}


@dataclass(frozen=True, slots=True)
class Columns:
    """Where the host's model keeps what django-payments' has no column for; empty for nowhere.

    Args:
        owner: column with the key of the user who pays.
        order: column with the order's number.
        is_captured_in_part: what is captured of a confirmed payment is all that was taken; otherwise what is missing
            from the total was given back, as django-payments counts it.
    """

    owner: str = ""
    order: str = ""
    is_captured_in_part: bool = False


def open_table(database: str, name: str, columns: Columns) -> ForeignTable:
    """Return the table of a model that extends django-payments' ``BasePayment``.

    Raises:
        GatewayConfigurationError: it is not there, or is not such a model's.
    """
    return ForeignTable(database, name, needs=[*NEEDED, *filter(None, (columns.owner, columns.order))])


def import_payments(
    table: ForeignTable, columns: Columns, *, variant: str = "", dry_run: bool = False
) -> Iterator[Imported]:
    """Bring the rows of a table, and yield what became of each; no provider is asked.

    Args:
        variant: of this payment variant only.
    """
    further = [name for name in (columns.owner, columns.order) if name]
    for row in table.rows(*NEEDED, *COPIED, *AMOUNTS, "created", *further):
        if variant and row["variant"] != variant:
            continue
        subject = str(row["token"] or row[table.key])
        result = attempt(KIND, subject, partial(_bring_row, table, row, columns, dry_run=dry_run))
        if result.outcome is Outcome.FAILED:
            result = replace(result, detail=f"row {row[table.key]}: {result.detail}")
        yield result


def _bring_row(table: ForeignTable, row: Mapping[str, Any], columns: Columns, *, dry_run: bool) -> Result:
    if row["variant"] not in gateway_settings.variants:
        return Outcome.LEFT_OUT, f"PAYMENT_VARIANTS has no variant {row['variant']!r}"
    if row["status"] not in PATHS:
        return Outcome.FAILED, f"its status {row['status']!r} is unknown"
    if find_row(table, row) is not None:
        return Outcome.KNOWN, row["status"]
    if dry_run:
        _made_of(table, row, columns)
    else:
        _add_once(table, row, columns)
    return Outcome.NEW, row["status"]


def find_row(table: ForeignTable, row: Mapping[str, Any]) -> AbstractPayment | None:
    """Return the payment that a row is already, by its token or by the id of what was made for it."""
    rows = get_payment_model()._default_manager.using(payments_database())
    found: AbstractPayment | None = rows.filter(token=_token(table, row)).first()
    if found is None and row["transaction_id"]:
        found = rows.filter(transaction_id=row["transaction_id"], variant=row["variant"]).first()
    return found


def _add_once(table: ForeignTable, row: Mapping[str, Any], columns: Columns) -> None:
    try:
        _add(table, row, columns)
    except IntegrityError:
        # Another import was faster, with the same token.
        if find_row(table, row) is None:
            raise


def _made_of(table: ForeignTable, row: Mapping[str, Any], columns: Columns) -> AbstractPayment:
    """Return the payment of a row, which is not stored yet.

    Raises:
        InvalidInput: the columns here cannot hold it.
    """
    stored = _stored(row["extra_data"])
    kept = stored.get("session")
    session: Mapping[str, Any] = kept if isinstance(kept, Mapping) else {}
    captured, refunded = _taken(row, columns)
    payment: AbstractPayment = get_payment_model()(
        **{name: row[name] for name in COPIED if row[name] not in (None, "")},
        **{name: _amount(row, name) for name in AMOUNTS},
        owner_id=_owner(row[columns.owner]) if columns.owner else None,
        order_id=str(row[columns.order] or "")[:255] if columns.order else "",
        gateway=gateway_name(row["variant"]),
        variant=row["variant"],
        total=_amount(row, "total"),
        currency=str(row["currency"]).upper(),
        transaction_id=row["transaction_id"] or "",
        intent_id=_id(session.get("payment_intent")) or _id(stored.get("intent")),
        token=_token(table, row),
        livemode=_livemode(row, session.get("livemode")),
        capture_method=CaptureMethod.MANUAL if row["status"] == PaymentStatus.PREAUTH else CaptureMethod.AUTOMATIC,
        authorized_amount=_held(row, captured),
        captured_amount=captured,
        refunded_amount=refunded,
    )
    # What is no currency has no amounts.
    format_amount(payment.total, payment.currency)
    _verify_columns(payment)
    payment.created = _moment(row["created"])
    return payment


def _verify_columns(payment: AbstractPayment) -> None:
    """Raise ``InvalidInput`` for what a column cannot hold: databases differ in what they refuse, and in how."""
    for field in payment._meta.concrete_fields:
        value, longest = getattr(payment, field.attname), field.max_length
        if isinstance(value, str) and longest is not None and len(value) > longest:
            raise InvalidInput(f"its {field.name} has more than {longest} characters")
        if isinstance(field, DecimalField | GenericIPAddressField) and value is not None:
            try:
                field.run_validators(value)
            except ValidationError as error:
                raise InvalidInput(f"its {field.name} {value}: {' '.join(error.messages)}") from None


@retry_on_deadlock
def _add(table: ForeignTable, row: Mapping[str, Any], columns: Columns) -> None:
    payment = _made_of(table, row, columns)
    made, refunded = payment.created, payment.refunded_amount
    with money_transaction(), without_signals():
        payment.save(using=payments_database(), force_insert=True)
        date_back(payment, made)
        data = {
            "amount": format_amount(payment.total, payment.currency),
            "currency": payment.currency,
            "table": table.name,
        }
        write_log(payment, LogEvent.CREATED, IMPORT, f"brought from {table.name}", data)
        if refunded:
            refund = Refund(payment=payment, amount=refunded, currency=payment.currency, status=RefundStatus.SUCCEEDED)
            refund.provider_id = _refund_id(_stored(row["extra_data"]), refunded, payment.currency)
            refund.save(using=payments_database())
        for status in PATHS[row["status"]]:
            previous, payment.status = payment.status, status
            announce_status(payment, previous, IMPORT)
        payment.save(using=payments_database(), update_fields=["status", "modified"])


def _taken(row: Mapping[str, Any], columns: Columns) -> tuple[Decimal, Decimal]:
    """Return what was captured and what was given back; django-payments takes a refund off what was captured."""
    total, left = _amount(row, "total"), _amount(row, "captured_amount")
    if min(total, left) < ZERO:
        raise InvalidInput(f"its total {total} or its captured_amount {left} is less than nothing")
    if row["status"] == PaymentStatus.REFUNDED:
        return total, total
    if row["status"] != PaymentStatus.CONFIRMED:
        return ZERO, ZERO
    if columns.is_captured_in_part or not ZERO < left < total:
        return (left if ZERO < left <= total else total), ZERO
    return total, total - left


def _held(row: Mapping[str, Any], captured: Decimal) -> Decimal:
    """Return what was authorised: the whole, where it is held or a part of it was taken."""
    is_held = row["status"] in (PaymentStatus.PREAUTH, PaymentStatus.CONFIRMED, PaymentStatus.REFUNDED)
    return max(captured, _amount(row, "total")) if is_held else captured


def _amount(row: Mapping[str, Any], name: str) -> Decimal:
    try:
        # SQLite hands out numbers.
        found = ZERO if row[name] is None else Decimal(str(row[name])).quantize(Decimal("0.01"))
    except ArithmeticError:
        found = Decimal("NaN")
    if not found.is_finite():
        raise InvalidInput(f"its {name} {row[name]!r} is no amount")
    return found


def _stored(extra_data: Any) -> Mapping[str, Any]:
    try:
        found = json.loads(extra_data or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, Mapping) else {}


def _id(value: Any) -> str:
    found = value.get("id") if isinstance(value, Mapping) else value
    return found if isinstance(found, str) else ""


def _refund_id(stored: Mapping[str, Any], refunded: Decimal, currency: str) -> str | None:
    """Return the id of the only refund; django-payments keeps the last one, as a text."""
    try:
        last = json.loads(stored.get("refund") or "{}")
        is_whole = last["amount"] == int(format_amount(refunded, currency).replace(".", ""))
    except (KeyError, TypeError, ValueError):
        return None
    return _id(last) or None if is_whole else None


def _token(table: ForeignTable, row: Mapping[str, Any]) -> str:
    return str(row["token"] or token_of(table.name, str(row[table.key])))


def _livemode(row: Mapping[str, Any], said: Any) -> bool:
    """Return the mode as what is kept of the page says it, or else its id; the key of today may be of the other one."""
    if isinstance(said, bool):
        return said
    told = MODE_OF_ID.match(row["transaction_id"] or "")
    if told:
        return told[1] == "live"
    return is_supported_variant(row["variant"]) and get_gateway(row["variant"]).livemode


def _owner(value: Any) -> Any:
    """Return the key of a user, ``None`` if there is no such user any more."""
    model = get_user_model()
    try:
        key = model._meta.pk.clean(value, None)
    except ValidationError:
        return None
    return key if model._default_manager.filter(pk=key).exists() else None


def _moment(value: Any) -> datetime | None:
    found = parse_datetime(value) if isinstance(value, str) else value
    if value and not isinstance(found, date):
        raise InvalidInput(f"its created {value!r} is no time")
    if not isinstance(found, datetime):
        return datetime(found.year, found.month, found.day, tzinfo=UTC) if isinstance(found, date) else None
    if settings.USE_TZ:
        # What a database without time zones holds is UTC.
        return timezone.make_aware(found, UTC) if timezone.is_naive(found) else found
    return found
