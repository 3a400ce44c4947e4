"""Events that overtake the answers to our own calls, where what they bring contradicts the payment."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway import exceptions
from django_stripe_gateway.gateways.stripe.intents import StripeIntentGateway
from django_stripe_gateway.models import PaymentLog, PaymentOperation, UnexpectedPayment
from django_stripe_gateway.payments import accept_unexpected, confirm_payment, refund_unexpected, start_payment
from django_stripe_gateway.services.payments import create, decide
from django_stripe_gateway.services.payments.reconcile import reconcile_operations
from tests.test_services.conftest import Shop, run_out_leases
from tests.test_services.test_unexpected import events_of, with_an_older_page
from tests.test_webhooks.support import deliver_all

pytestmark = pytest.mark.django_db(transaction=True)


def in_intent_flow(settings: Any) -> None:
    provider, options = settings.PAYMENT_VARIANTS["stripe"]
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {"stripe": (provider, {**options, "flow": "intent"})}


def changed(payment: Any, total: int = 20) -> Any:
    """Return a payment whose host has changed what it costs."""
    payment.total = Decimal(total)
    payment.save(update_fields=["total"])
    return payment


def test_confirmed__with_another_amount(shop: Shop, settings: Any, monkeypatch: Any) -> None:
    in_intent_flow(settings)
    payment = shop.waiting("10.00")
    shop.stripe.act(payment.transaction_id, lambda _scope, intent: intent.update(amount=800))
    real = StripeIntentGateway.confirm_payment

    def confirm(self: Any, *args: Any, **kwargs: Any) -> Any:
        answer = real(self, *args, **kwargs)
        deliver_all(events_of(shop))
        return answer

    monkeypatch.setattr(StripeIntentGateway, "confirm_payment", confirm)
    with pytest.raises(exceptions.ProviderError) as caught:
        confirm_payment(payment=payment, payment_method="pm_card_visa")
    assert caught.value.code == "provider_mismatch"
    assert UnexpectedPayment.objects.get().amount == 8
    assert not PaymentOperation.objects.pending().exists()
    accepted = accept_unexpected(payment=payment)
    assert (accepted.status, accepted.captured_amount) == ("confirmed", 8)


def test_started_anew__while_the_earlier_page_is_paid(shop: Shop, monkeypatch: Any) -> None:
    payment = shop.waiting("10.00")
    first = payment.transaction_id
    real = create.settle_earlier

    def settle(*args: Any) -> Any:
        shop.stripe.complete_checkout(first)
        found = real(*args)
        deliver_all(events_of(shop))
        return found

    monkeypatch.setattr(create, "settle_earlier", settle)
    with pytest.raises(exceptions.ProviderError):
        start_payment(payment=changed(payment))
    assert not PaymentOperation.objects.pending().exists()
    assert UnexpectedPayment.objects.open().get().object_id == first
    run_out_leases()
    assert not list(reconcile_operations())
    # There is no second page.
    payment.refresh_from_db()
    with pytest.raises(exceptions.WrongState) as caught:
        start_payment(payment=payment)
    assert caught.value.code == "needs_decision"
    assert [session["id"] for session in shop.stripe.all("checkout.session")] == [first]


def test_answer_written_down_already__reconcile_goes_on(shop: Shop, monkeypatch: Any) -> None:
    payment = shop.waiting("10.00")
    first = payment.transaction_id
    real = create.settle_earlier

    def die(*args: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(create, "settle_earlier", die)
    with pytest.raises(KeyboardInterrupt):
        start_payment(payment=changed(payment))
    monkeypatch.setattr(create, "settle_earlier", real)
    shop.stripe.complete_checkout(first)
    deliver_all(events_of(shop))
    run_out_leases()
    (outcome,) = reconcile_operations()
    assert outcome.outcome == "refused"
    assert not PaymentOperation.objects.pending().exists()
    assert UnexpectedPayment.objects.open().count() == 1
    # There is no second page, though the payment has let go of the first.
    payment.refresh_from_db()
    with pytest.raises(exceptions.WrongState) as caught:
        start_payment(payment=payment)
    assert caught.value.code == "needs_decision"
    assert [session["id"] for session in shop.stripe.all("checkout.session")] == [first]


def test_paid_between_the_look_and_the_lock__no_second_page(shop: Shop, monkeypatch: Any) -> None:
    payment = shop.waiting("10.00")
    first = payment.transaction_id
    real = create.ask_host_to_start

    def ask_host(payment: Any) -> Any:
        shop.stripe.complete_checkout(first)
        deliver_all(events_of(shop))
        return real(payment)

    monkeypatch.setattr(create, "ask_host_to_start", ask_host)
    with pytest.raises(exceptions.WrongState) as caught:
        start_payment(payment=changed(payment))
    assert caught.value.code == "needs_decision"
    assert [session["id"] for session in shop.stripe.all("checkout.session")] == [first]


def test_accepted__while_the_newer_page_is_paid(shop: Shop, monkeypatch: Any) -> None:
    payment, first = with_an_older_page(shop)
    shop.stripe.complete_checkout(first)
    deliver_all(events_of(shop))
    real = decide.close_earlier

    def close(*args: Any) -> Any:
        shop.stripe.complete_checkout(payment.transaction_id)
        return real(*args)

    monkeypatch.setattr(decide, "close_earlier", close)
    with pytest.raises(exceptions.WrongState):
        accept_unexpected(payment=payment)
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", 10)
    assert refund_unexpected(payment=payment).captured_amount == 10
    assert shop.stripe.all("refund")[0]["payment_intent"] == shop.stripe.get(first)["payment_intent"]


def test_page_that_we_close__is_no_news(shop: Shop, monkeypatch: Any) -> None:
    payment = shop.waiting("10.00")
    real = create.settle_earlier

    def settle(*args: Any) -> Any:
        found = real(*args)
        assert deliver_all(events_of(shop)) == ["processed"]
        return found

    monkeypatch.setattr(create, "settle_earlier", settle)
    again = start_payment(payment=changed(payment))
    assert again.status == "waiting"
    assert not PaymentLog.objects.filter(payment=payment, event="status_changed")
    # Nor is it afterwards.
    deliver_all(events_of(shop))
    again.refresh_from_db()
    assert again.status == "waiting"


def test_page_that_closes_by_itself__is_news(shop: Shop) -> None:
    payment = shop.waiting("10.00")
    shop.stripe.expire_session(payment.transaction_id)
    deliver_all(events_of(shop))
    payment.refresh_from_db()
    assert payment.status == "rejected"
