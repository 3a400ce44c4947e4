"""The audit trail can be added to and read; every way to change or remove a line is closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import IntegrityError, transaction

from django_stripe_gateway.models import PaymentLog
from django_stripe_gateway.models.logs import AppendOnlyError
from tests.factories import make_payment


def changed(line: PaymentLog) -> PaymentLog:
    line.message = "nothing happened"
    return line


REFUSED: dict[str, Callable[[PaymentLog], Any]] = {
    "save": lambda line: changed(line).save(),
    "save_fields": lambda line: changed(line).save(update_fields=["message"]),
    "save_again": lambda line: changed(PaymentLog.objects.get(pk=line.pk)).save(),
    "async_save": lambda line: async_to_sync(changed(line).asave)(),
    "delete": lambda line: line.delete(),
    "queryset_update": lambda line: PaymentLog.objects.update(message=""),
    "queryset_delete": lambda line: PaymentLog.objects.all().delete(),
    "filtered_delete": lambda line: PaymentLog.objects.filter(pk=line.pk).delete(),
    "related_update": lambda line: line.payment.logs.update(message=""),
    "related_delete": lambda line: line.payment.logs.all().delete(),
    "bulk_update": lambda line: PaymentLog.objects.bulk_update([changed(line)], ["message"]),
    "related_bulk_update": lambda line: line.payment.logs.bulk_update([changed(line)], ["message"]),
    "update_or_create": lambda line: PaymentLog.objects.update_or_create(pk=line.pk, defaults={"message": ""}),
    "upsert": lambda line: PaymentLog.objects.bulk_create(
        [changed(line)], update_conflicts=True, update_fields=["message"], unique_fields=["id"]
    ),
    "upsert_by_position": lambda line: PaymentLog.objects.bulk_create([changed(line)], None, False, True, ["message"]),
    "async_update": lambda line: async_to_sync(PaymentLog.objects.all().aupdate)(message=""),
    "async_delete": lambda line: async_to_sync(PaymentLog.objects.all().adelete)(),
}


@pytest.fixture
def line(db: None) -> PaymentLog:
    return PaymentLog.objects.create(payment=make_payment(), event="created", message="10.00 USD")


@pytest.mark.parametrize("way", REFUSED)
def test_change__is_refused(way: str, line: PaymentLog) -> None:
    with pytest.raises(AppendOnlyError, match="only be added to"):
        REFUSED[way](line)
    assert PaymentLog.objects.get().message == "10.00 USD"


def test_overwriting__by_number_is_refused(line: PaymentLog) -> None:
    values = {"pk": line.pk, "payment": line.payment, "event": "created", "created": line.created}
    copy = PaymentLog(**values, message="nothing happened")
    with pytest.raises(IntegrityError), transaction.atomic():
        copy.save()
    assert PaymentLog.objects.get().message == "10.00 USD"


def test_adding(line: PaymentLog) -> None:
    PaymentLog.objects.bulk_create([PaymentLog(payment=line.payment, event="updated") for _ in range(2)])
    line.payment.logs.create(event="dispute", message="opened")
    assert [entry.event for entry in line.payment.logs.all()] == ["created", "updated", "updated", "dispute"]
    assert [str(entry) for entry in line.payment.logs.all()][-2:] == ["updated", "dispute: opened"]
