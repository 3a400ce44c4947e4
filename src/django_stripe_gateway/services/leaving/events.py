"""The stored events that are about somebody: by the provider's ids of what is theirs, and by their own in the body."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import reduce
from itertools import chain
from operator import or_
from typing import Any

from django.db.models import Q
from django.utils import timezone

from django_stripe_gateway.models import (
    Customer,
    PaymentOperation,
    Refund,
    SubscriptionItem,
    WebhookEvent,
)
from django_stripe_gateway.services.leaving.redaction import without_personal_data
from django_stripe_gateway.services.leaving.whose import Account
from django_stripe_gateway.services.transactions import payments_database

# SQLite takes so many parameters at least.
BATCH = 400
# As long as a provider may deliver what was about somebody who is gone.
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
    """Take what is personal out of events that have come about customers since they were erased; return how many.

    The deletion of a customer is such an event itself.
    """
    erased = Customer.objects.using(payments_database()).filter(erased__gte=timezone.now() - LATE)
    count = 0
    for customer in erased.order_by("pk"):
        count += sum(map(redact_event, _late_events(customer)))
    return count


def _late_events(customer: Customer) -> Sequence[WebhookEvent]:
    own: list[str] = customer_ids([customer])
    about: list[Any] = [Q(object_id__in=own), Q(related_id__in=own)]
    return list(_rows().filter(reduce(or_, about), received__gte=customer.erased))


def _rows() -> Any:
    return WebhookEvent.objects.using(payments_database())
