"""Operations, refunds, events and idempotency keys: what is unique, and their questions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone
from payments import get_payment_model

from django_stripe_gateway.choices import RefundStatus, WebhookState
from django_stripe_gateway.models import IdempotencyKey, PaymentOperation, Refund, WebhookEvent
from tests.factories import make_payment

pytestmark = pytest.mark.django_db


def make_operation(payment: Any, **fields: Any) -> PaymentOperation:
    fields.setdefault("leased_until", timezone.now())
    return PaymentOperation.objects.create(payment=payment, kind="create", **fields)


def make_refund(payment: Any, **fields: Any) -> Refund:
    return Refund.objects.create(payment=payment, amount=Decimal(1), currency="USD", **fields)


def make_webhook_event(**fields: Any) -> WebhookEvent:
    values = {"provider": "stripe", "variant": "stripe", "event_id": "evt_1", "type": "t", "body": "{}"} | fields
    return WebhookEvent.objects.create(**values)


def refused(create: Callable[[], Any]) -> bool:
    try:
        with transaction.atomic():
            create()
    except IntegrityError:
        return True
    return False


def test_operations__keys_are_unique() -> None:
    payment = make_payment()
    first = make_operation(payment, request_key="k")
    assert refused(lambda: make_operation(payment, request_key="k"))
    assert refused(lambda: make_operation(payment, idempotency_key=first.idempotency_key))
    make_operation(payment)
    make_operation(payment)


def test_refunds__ids_are_unique_and_may_be_missing() -> None:
    payment = make_payment()
    operation = make_operation(payment)
    make_refund(payment, provider_id="re_1", operation=operation)
    assert refused(lambda: make_refund(payment, provider_id="re_1"))
    assert refused(lambda: make_refund(payment, operation=operation))
    make_refund(payment)
    make_refund(payment)


def test_events__are_stored_once_for_each_account() -> None:
    make_webhook_event()
    assert refused(make_webhook_event)
    make_webhook_event(variant="other")
    make_webhook_event(provider="paypal")


def test_idempotency_keys__are_unique_for_each_owner(user: Any, other_user: Any) -> None:
    IdempotencyKey.objects.create(owner=user, key="k")
    assert refused(lambda: IdempotencyKey.objects.create(owner=user, key="k"))
    IdempotencyKey.objects.create(owner=other_user, key="k")
    assert str(IdempotencyKey(key="k")) == "k (open)"


def test_operations__pending_and_abandoned() -> None:
    now = timezone.now()
    payment = make_payment()
    leased = make_operation(payment, leased_until=now + timedelta(minutes=1))
    abandoned = make_operation(payment, leased_until=now - timedelta(minutes=1))
    done = make_operation(payment, state="succeeded", leased_until=now - timedelta(minutes=1))
    assert set(PaymentOperation.objects.pending()) == {leased, abandoned}
    assert set(PaymentOperation.objects.abandoned()) == {abandoned}
    assert set(PaymentOperation.objects.abandoned(now + timedelta(hours=1))) == {leased, abandoned}
    assert [operation.is_pending for operation in (leased, abandoned, done)] == [True, True, False]
    assert [operation.is_leased(now) for operation in (leased, abandoned, done)] == [True, False, False]
    assert str(done) == "create (succeeded)"


def test_payments__with_a_pending_operation(django_assert_num_queries: Any) -> None:
    waiting, settled = make_payment(), make_payment()
    make_payment()
    make_operation(waiting)
    make_operation(waiting)
    make_operation(settled, state="failed")
    assert list(get_payment_model().objects.with_pending_operation()) == [waiting]
    with transaction.atomic():
        # A query with DISTINCT could not lock its rows.
        assert list(get_payment_model().objects.with_pending_operation().select_for_update()) == [waiting]


def test_refunds__predicates_agree_with_their_filters() -> None:
    payment = make_payment()
    refunds = [make_refund(payment, status=status) for status in RefundStatus.values]
    assert {refund for refund in refunds if refund.is_succeeded} == set(Refund.objects.succeeded())
    assert {refund for refund in refunds if refund.is_under_way} == set(Refund.objects.under_way())
    assert payment.refunds.succeeded().count() == 1
    assert str(make_refund(payment, provider_id="re_9")) == "re_9: 1.00 USD (pending)"


def test_events__predicates_agree_with_their_filters() -> None:
    events = [make_webhook_event(event_id=f"evt_{state}", state=state) for state in WebhookState.values]
    assert {event for event in events if not event.is_settled} == set(WebhookEvent.objects.unprocessed())
    assert [event.state for event in WebhookEvent.objects.failed()] == ["failed"]
    assert [event.state for event in WebhookEvent.objects.unmatched()] == ["unmatched"]


def test_events__payload_is_parsed_once_and_not_shown() -> None:
    event = make_webhook_event(body='{"id": "evt_1", "data": {"email": "ada@example.com"}}', headers={"h": "t=1,v1=x"})
    assert event.payload["data"] == {"email": "ada@example.com"}
    assert event.payload is event.payload
    assert "ada@" not in f"{event!r}"
    assert "v1=" not in f"{event!r}"
