"""Unexpected money is accepted while news of what is closed for it come in."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway import exceptions
from django_stripe_gateway.models import PaymentLog, UnexpectedPayment
from django_stripe_gateway.payments import accept_unexpected, refund_unexpected, start_payment, sync_payment
from django_stripe_gateway.services.payments import decide
from tests.conftest import SignalRecorder
from tests.test_services.conftest import Shop, run_out_leases
from tests.test_services.test_unexpected import events_of, paid_with, with_an_older_page
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)


def heard_at_once(monkeypatch: pytest.MonkeyPatch, shop: Shop, name: str, after: Any = lambda: None) -> None:
    """Let the events of what is closed for other money come before that is accepted."""
    original = getattr(decide, name)

    def close(*args: Any) -> Any:
        found = original(*args)
        deliver_all(events_of(shop))
        after()
        return found

    monkeypatch.setattr(decide, name, close)


def statuses_of(payment: Any) -> list[str]:
    """Return what the payment has become, in its order."""
    logs = PaymentLog.objects.filter(payment=payment, event="status_changed").order_by("pk")
    return [log.data["to"] for log in logs]


def test_accepted__never_reads_rejected(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, recorded_signals: SignalRecorder
) -> None:
    payment, first = with_an_older_page(shop)
    shop.stripe.complete_checkout(first)
    deliver_all(events_of(shop))
    before = len(statuses_of(payment))
    recorded_signals.sent.clear()
    heard_at_once(monkeypatch, shop, "close_earlier")
    payment = accept_unexpected(payment=payment)
    assert statuses_of(payment)[before:] == ["confirmed"]
    assert recorded_signals.values("payment_failed") == []
    assert (payment.status, payment.failure_code, payment.message) == ("confirmed", "", "")


def held_twice(shop: Shop) -> Any:
    """Return a payment that is authorised, for which as much is held once more."""
    payment, first = with_an_older_page(shop, capture_method="manual")
    shop.stripe.complete_checkout(payment.transaction_id)
    payment = sync_payment(payment=payment)
    shop.stripe.complete_checkout(first)
    deliver_all(events_of(shop))
    return payment


def test_accepted_beside_an_authorisation__never_reads_rejected(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = held_twice(shop)
    before = len(statuses_of(payment))
    heard_at_once(monkeypatch, shop, "close_page")
    payment = accept_unexpected(payment=payment)
    assert payment.status == "preauth"
    assert "rejected" not in statuses_of(payment)[before:]


def test_not_accepted_after_all__nobody_is_sent_to_the_page_that_was_closed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    payment, first = with_an_older_page(shop)
    second = payment.transaction_id
    shop.stripe.complete_checkout(first)
    deliver_all(events_of(shop))

    def fail() -> None:
        raise exceptions.ProviderUnavailable("Nobody answers.")

    heard_at_once(monkeypatch, shop, "close_earlier", fail)
    with pytest.raises(exceptions.ProviderUnavailable):
        accept_unexpected(payment=payment)
    payment.refresh_from_db()
    assert payment.status == "waiting"
    run_out_leases()
    refund_unexpected(payment=payment)
    assert start_payment(payment=payment).transaction_id not in (first, second)


def test_not_accepted_after_all__what_was_released_for_it_reads_so(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    payment = held_twice(shop)

    def fail() -> None:
        raise exceptions.ProviderUnavailable("Nobody answers.")

    heard_at_once(monkeypatch, shop, "close_page", fail)
    with pytest.raises(exceptions.ProviderUnavailable):
        accept_unexpected(payment=payment)
    run_out_leases()
    assert refund_unexpected(payment=payment).status == "rejected"
    assert {intent["status"] for intent in shop.stripe.all("payment_intent")} == {"canceled"}


def test_accepted_after_it_could_not_be_given_back__closes_the_page_that_was_made_since(shop: Shop) -> None:
    payment = start_payment(payment=refund_unexpected(payment=paid_with(shop)))
    second = payment.transaction_id
    shop.stripe.fail_refund(shop.stripe.all("refund")[0]["id"])
    deliver_all(events_of(shop))
    assert UnexpectedPayment.objects.get().state == "open"
    payment = accept_unexpected(payment=payment)
    assert (payment.status, payment.captured_amount) == ("confirmed", 8)
    assert shop.stripe.get(second)["status"] == "expired"
