"""The stored events that are about somebody: by the provider's ids of what is theirs, and by their own in the body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import chain
from typing import Any

from django.db.models import F, Q
from django.utils import timezone

from django_stripe_gateway.choices import LogEvent
from django_stripe_gateway.models import (
    BillingOperation,
    Customer,
    Invoice,
    PaymentLog,
    PaymentOperation,
    Refund,
    Subscription,
    SubscriptionItem,
    UnexpectedPayment,
    WebhookEvent,
    get_payment_model,
)
from django_stripe_gateway.services.leaving.redaction import without_personal_data
from django_stripe_gateway.services.leaving.whose import Account
from django_stripe_gateway.services.transactions import payments_database

# SQLite takes so many parameters at least.
BATCH = 400
# So many events are read at once, with their bodies, which may be large.
BODIES = 500
# As old as an event may be that is looked at: reconcile runs more often than that.
LATE = timedelta(days=35)


def customer_ids(customers: Iterable[Customer]) -> list[str]:
    """Return the provider's names of customers, former ones included."""
    named = [[customer.provider_id or "", *customer.former_ids] for customer in customers]
    return sorted(set(filter(None, chain.from_iterable(named))))


def object_ids(account: Account) -> list[str]:
    """Return the provider's ids of everything that is an account's."""
    subscriptions, payments, using = account.subscriptions, account.payments, payments_database()
    columns = [
        account.customers.values_list("default_payment_method"),
        subscriptions.values_list(
            "provider_id", "checkout_id", "schedule_id", "latest_invoice_id", "default_payment_method"
        ),
        SubscriptionItem.objects.using(using)
        .filter(subscription__in=subscriptions.order_by())
        .values_list("provider_id"),
        account.invoices.values_list("provider_id", "intent_id"),
        account.operations.values_list("object_id"),
        payments.values_list("transaction_id", "intent_id"),
        PaymentOperation.objects.using(using).filter(payment__in=payments.order_by()).values_list("object_id"),
        Refund.objects.using(using).filter(payment__in=payments.order_by()).values_list("provider_id"),
        UnexpectedPayment.objects.using(using)
        .filter(payment__in=payments.order_by())
        .values_list("object_id", "intent_id"),
    ]
    found = {value for rows in columns for row in rows for value in row if value}
    return sorted({*found, *customer_ids(account.customers)})


def events_about(account: Account) -> Iterator[WebhookEvent]:
    """Yield the events about an account, each once, in no order.

    An event about a payment method, say, names whom it belongs to in its body alone: all bodies are searched for the
    customers' ids, which takes a while where there are many.
    """
    ids, seen = object_ids(account), set[int]()
    conditions = [
        Q(**{f"{column}__in": ids[start : start + BATCH]})
        for column in ("object_id", "related_id")
        for start in range(0, len(ids), BATCH)
    ]
    conditions += [Q(body__contains=f'"{own}"') for own in customer_ids(account.customers)]
    for condition in conditions:
        # Keys first: bodies are large.
        for pk in list(_rows().filter(condition).order_by("pk").values_list("pk", flat=True)):
            if pk not in seen:
                seen.add(pk)
                event = _rows().filter(pk=pk).first()
                if event is not None:
                    yield event


def redact_event(event: WebhookEvent) -> bool:
    """Take what is personal out of a stored event, and return whether there was anything."""
    redacted = _redacted(event)
    return redacted is not None and bool(_rows().filter(pk=event.pk).update(**redacted))


def is_personal(event: WebhookEvent) -> bool:
    """Return whether ``redact_event`` would find anything."""
    return _redacted(event) is not None


def _redacted(event: WebhookEvent) -> dict[str, str] | None:
    # A database quotes in its error the row that it has refused.
    values = {"body": without_personal_data(event.body), "error": event.error.partition(":")[0]}
    return None if all(getattr(event, name) == value for name, value in values.items()) else values


def redact_late_events() -> int:
    """Take what is personal out of events that have come about people since they were erased; return how many.

    The deletion of a customer is such an event itself; a refund or a dispute may come months later.
    """
    return sum(map(redact_event, _late_events()))


def erased_payments() -> Any:
    """Return the payments whose personal data was erased; their audit trail says so."""
    erased = PaymentLog.objects.using(payments_database()).filter(event=LogEvent.ERASED)
    rows = get_payment_model()._default_manager.using(payments_database())
    return rows.filter(pk__in=erased.order_by().values("payment"))


def _late_events() -> Iterator[WebhookEvent]:
    late = _rows().filter(received__gte=timezone.now() - LATE).order_by()
    found: set[int] = set()
    for rows, column in _erased_columns():
        named = rows.order_by().exclude(**{column: None}).exclude(**{column: ""}).values(column)
        for about in ("object_id", "related_id"):
            # One question for each column: the database starts with the few who were erased.
            found.update(late.filter(**{f"{about}__in": named}).values_list("pk", flat=True))
    erased = list(Customer.objects.using(payments_database()).filter(erased__isnull=False).order_by("pk"))
    ids = [one for customer in erased for one in _erased_ids(customer)]
    for start in range(0, len(ids), BATCH):
        own = ids[start : start + BATCH]
        found.update(late.filter(Q(object_id__in=own) | Q(related_id__in=own)).values_list("pk", flat=True))
    found.update(_nameless_events(erased))
    keys = sorted(found)
    for start in range(0, len(keys), BODIES):
        yield from _rows().filter(pk__in=keys[start : start + BODIES]).order_by("pk")


def _nameless_events(erased: Iterable[Customer]) -> Iterator[int]:
    """Yield the keys of late events that name those who were erased in their bodies alone, as a card's does.

    All bodies are read once, however many were erased.
    """
    recent = [one for one in erased if one.erased is not None and one.erased >= timezone.now() - LATE]
    ids = {own for customer in recent for own in _erased_ids(customer)}
    if not ids:
        return
    since = min(customer.erased for customer in recent if customer.erased is not None)
    rows = _rows().filter(related_id="", received__gte=since).order_by("pk").values_list("pk", "body")
    last = 0
    while True:
        # By their keys, as not every database hands out a large answer bit by bit.
        batch = list(rows.filter(pk__gt=last)[:BODIES])
        for pk, body in batch:
            # A string in JSON stands between two quotes, and no id has one.
            if not ids.isdisjoint(body.split('"')):
                yield pk
        if len(batch) < BODIES:
            return
        last = batch[-1][0]


def _erased_ids(customer: Customer) -> list[str]:
    """Return the names of a customer that was erased; who has come back since has another one."""
    has_come_back = customer.exists_at_provider and customer.is_of_configured_account
    return customer.former_ids if has_come_back else customer_ids([customer])


def _erased_columns() -> list[tuple[Any, str]]:
    """Return which rows are of people who were erased, with the columns that hold the provider's ids."""
    using, payments = payments_database(), erased_payments()
    of_erased = Q(customer__erased__gt=F("created"))
    subscriptions = Subscription.objects.using(using).filter(of_erased)
    invoices = Invoice.objects.using(using).filter(of_erased)
    asked = PaymentOperation.objects.using(using).filter(payment__in=payments.order_by())
    refunds = Refund.objects.using(using).filter(payment__in=payments.order_by())
    return [
        *((subscriptions, name) for name in ("provider_id", "checkout_id", "schedule_id")),
        *((invoices, name) for name in ("provider_id", "intent_id")),
        *((payments, name) for name in ("transaction_id", "intent_id")),
        (BillingOperation.objects.using(using).filter(of_erased), "object_id"),
        (asked, "object_id"),
        (refunds, "provider_id"),
    ]


def _rows() -> Any:
    return WebhookEvent.objects.using(payments_database())
