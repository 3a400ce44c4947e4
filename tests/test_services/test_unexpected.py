"""Money that came and was not expected: another amount, another currency, a second time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command

from django_stripe_gateway import exceptions
from django_stripe_gateway.models import PaymentLog, Refund, UnexpectedPayment
from django_stripe_gateway.payments import (
    accept_unexpected,
    capture_payment,
    refund_unexpected,
    start_payment,
    sync_payment,
)
from django_stripe_gateway.services.operations.engine import begin
from django_stripe_gateway.services.operations.verbs import Request
from django_stripe_gateway.services.origins import SYSTEM
from django_stripe_gateway.services.payments.decide import RETURN
from tests.conftest import SignalRecorder
from tests.fake_stripe.state import Object, Scope
from tests.test_services.conftest import Shop, run_out_leases
from tests.test_webhooks.support import deliver_all
from tests.test_webhooks.test_order import IGNORED

pytestmark = pytest.mark.django_db(transaction=True)


def events_of(shop: Shop) -> list[Any]:
    return [event for event in shop.stripe.events() if event["type"] not in IGNORED]


def edited(shop: Shop, payment: Any, **fields: Any) -> None:
    """Let the page ask for something else, as a discount or adaptive pricing at Stripe does."""

    def change(scope: Scope, session: Object) -> None:
        session.update(fields)

    shop.stripe.act(payment.transaction_id, change)


def paid_with(shop: Shop, amount: int = 800, currency: str = "usd", **fields: Any) -> Any:
    """Return a payment of 10.00 USD that was paid with something else; its events have come."""
    payment = shop.waiting(**fields)
    edited(shop, payment, amount_total=amount, currency=currency)
    shop.stripe.complete_checkout(payment.transaction_id)
    deliver_all(events_of(shop))
    payment.refresh_from_db()
    return payment


@pytest.mark.parametrize(
    ("amount", "currency", "total"), [(800, "usd", "8"), (1200, "usd", "12"), (900, "eur", "9"), (1500, "jpy", "1500")]
)
def test_accepted(shop: Shop, amount: int, currency: str, total: str, recorded_signals: SignalRecorder) -> None:
    payment = paid_with(shop, amount, currency, order_id="7")
    assert (payment.status, payment.captured_amount) == ("waiting", 0)
    row = UnexpectedPayment.objects.get()
    assert (row.amount, row.currency, row.reason, row.state) == (Decimal(total), currency.upper(), "amount", "open")
    assert [values["unexpected"] for values in recorded_signals.values("payment_mismatch")] == [row]

    accepted = accept_unexpected(payment=payment)
    assert (accepted.status, accepted.currency) == ("confirmed", currency.upper())
    assert {accepted.total, accepted.authorized_amount, accepted.captured_amount} == {Decimal(total)}
    model = type(payment)
    assert model.objects.paid_amount(owner=shop.user, order_id="7", currency=currency) == Decimal(total)
    if currency != "usd":
        assert model.objects.paid_amount(owner=shop.user, order_id="7", currency="USD") == 0
    assert len(recorded_signals.values("payment_confirmed")) == 1
    # The same news again, and a look, change nothing and raise no alarm.
    mismatches = PaymentLog.objects.filter(event="mismatch").count()
    assert sync_payment(payment=accepted, with_refunds=True).status == "confirmed"
    assert PaymentLog.objects.filter(event="mismatch").count() == mismatches
    assert not UnexpectedPayment.objects.open()


def test_given_back(shop: Shop) -> None:
    payment = paid_with(shop, order_id="7")
    with pytest.raises(exceptions.WrongState) as caught:
        start_payment(payment=payment)
    assert caught.value.code == "needs_decision"
    returned = refund_unexpected(payment=payment)
    (refund,) = shop.stripe.all("refund")
    assert refund["amount"] == 800
    assert (returned.status, returned.captured_amount, returned.refunded_amount) == ("rejected", 0, 0)
    assert not Refund.objects.exists()
    assert UnexpectedPayment.objects.get().state == "returned"
    # The events of the refund raise no alarm, whichever comes again.
    mismatches = PaymentLog.objects.filter(event="mismatch").count()
    assert set(deliver_all(events_of(shop))) <= {"processed", "mismatched"}
    assert PaymentLog.objects.filter(event="mismatch").count() == mismatches
    # It can be paid again, on a new page, with what it costs.
    again = start_payment(payment=returned)
    assert again.transaction_id != payment.transaction_id
    shop.stripe.complete_checkout(again.transaction_id)
    assert sync_payment(payment=again).captured_amount == 10


def test_given_back__once_for_each_key(shop: Shop) -> None:
    payment = paid_with(shop)
    for _time in range(2):
        refund_unexpected(payment=payment, idempotency_key="a")
    assert len(shop.stripe.all("refund")) == 1
    with pytest.raises(exceptions.WrongState):
        accept_unexpected(payment=payment)


def test_given_back_in_the_dashboard(shop: Shop) -> None:
    payment = paid_with(shop)
    shop.stripe.dashboard_refund(UnexpectedPayment.objects.get().intent_id)
    deliver_all(events_of(shop))
    assert UnexpectedPayment.objects.get().state == "returned"
    payment.refresh_from_db()
    assert payment.refunded_amount == 0


def test_held__accepted_and_captured(shop: Shop) -> None:
    payment = paid_with(shop, 800, capture_method="manual")
    payment = sync_payment(payment=payment)
    assert UnexpectedPayment.objects.get().is_held
    payment = accept_unexpected(payment=payment)
    assert (payment.status, payment.authorized_amount, payment.captured_amount) == ("preauth", 8, 0)


def test_held__released(shop: Shop) -> None:
    payment = sync_payment(payment=paid_with(shop, 800, capture_method="manual"))
    assert refund_unexpected(payment=payment).status == "rejected"
    (intent,) = shop.stripe.all("payment_intent")
    assert intent["status"] == "canceled"
    assert not shop.stripe.all("refund")


def test_nothing_to_decide(shop: Shop) -> None:
    for verb in (accept_unexpected, refund_unexpected):
        with pytest.raises(exceptions.WrongState) as caught:
            verb(payment=shop.completed())
        assert caught.value.code == "nothing_unexpected"


def with_an_older_page(shop: Shop, **fields: Any) -> tuple[Any, str]:
    """Return a payment on its second page, and the first one, which Stripe takes for open after all."""
    payment = shop.waiting(**fields)
    first = payment.transaction_id
    shop.stripe.expire_session(first)
    payment = start_payment(payment=sync_payment(payment=payment))
    shop.stripe.act(first, lambda _scope, session: session.update(status="open", url="https://checkout.example/1"))
    return payment, first


def test_both_pages_paid__second_is_given_back(shop: Shop) -> None:
    payment, first = with_an_older_page(shop)
    shop.stripe.complete_checkout(payment.transaction_id)
    deliver_all(events_of(shop))
    shop.stripe.complete_checkout(first)
    assert "mismatched" in deliver_all(events_of(shop))
    row = UnexpectedPayment.objects.get()
    assert (row.reason, row.object_id, row.amount) == ("second", first, 10)
    with pytest.raises(exceptions.WrongState):
        accept_unexpected(payment=payment)
    refund_unexpected(payment=payment)
    deliver_all(events_of(shop))
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount, payment.refunded_amount) == ("confirmed", 10, 0)
    assert shop.stripe.all("refund")[0]["payment_intent"] == row.intent_id


def test_older_page_paid__accepted_closes_the_newer(shop: Shop) -> None:
    payment, first = with_an_older_page(shop)
    second = payment.transaction_id
    shop.stripe.complete_checkout(first)
    deliver_all(events_of(shop))
    payment = accept_unexpected(payment=payment)
    assert (payment.status, payment.transaction_id) == ("confirmed", first)
    assert shop.stripe.get(second)["status"] == "expired"


def test_older_page_held__while_the_newer_is_open(shop: Shop) -> None:
    payment = shop.waiting(capture_method="manual")
    first = payment.transaction_id
    shop.stripe.expire_session(first)
    payment = start_payment(payment=sync_payment(payment=payment))
    shop.stripe.act(first, lambda _scope, session: session.update(status="open", url="https://checkout.example/1"))
    shop.stripe.complete_checkout(first)
    deliver_all([event for event in events_of(shop) if event["type"] == "checkout.session.completed"])
    row = UnexpectedPayment.objects.get()
    assert (row.reason, row.object_id, row.is_held) == ("second", first, True)


def test_given_back_in_the_dashboard__has_a_new_page(shop: Shop) -> None:
    payment = paid_with(shop)
    shop.stripe.dashboard_refund(UnexpectedPayment.objects.get().intent_id)
    deliver_all(events_of(shop))
    payment.refresh_from_db()
    again = start_payment(payment=payment)
    assert again.transaction_id != payment.transaction_id
    assert shop.stripe.get(again.transaction_id)["status"] == "open"


def test_two_of_them__what_is_unanswered_is_not_taken_for_the_other(shop: Shop) -> None:
    payment, first = with_an_older_page(shop)
    edited(shop, payment, amount_total=800)
    for page in (payment.transaction_id, first):
        shop.stripe.complete_checkout(page)
    deliver_all(events_of(shop))
    one, other = UnexpectedPayment.objects.order_by("pk")
    begin(RETURN, payment.pk, Request(params={"unexpected": one.pk}), SYSTEM)
    run_out_leases()
    with pytest.raises(exceptions.OperationInProgress):
        refund_unexpected(payment=payment, unexpected=other)
    assert not shop.stripe.all("refund")
    for row in (one, other):
        refund_unexpected(payment=payment, unexpected=row)
    assert {refund["payment_intent"] for refund in shop.stripe.all("refund")} == {one.intent_id, other.intent_id}
    assert not UnexpectedPayment.objects.exclude(state="returned")


def test_given_back_in_the_dashboard__before_the_event(shop: Shop) -> None:
    payment = paid_with(shop, 1200)
    row = UnexpectedPayment.objects.get()
    shop.stripe.dashboard_refund(row.intent_id, 500)
    shop.stripe.dashboard_refund(row.intent_id, 700)
    with pytest.raises(exceptions.WrongState) as caught:
        accept_unexpected(payment=payment)
    assert caught.value.code == "given_back"
    payment.refresh_from_db()
    row.refresh_from_db()
    assert (payment.status, payment.captured_amount, row.state) == ("waiting", 0, "returned")
    assert start_payment(payment=payment).transaction_id != row.object_id


def test_part_given_back_in_the_dashboard__accepted(shop: Shop) -> None:
    payment = paid_with(shop, 1200)
    shop.stripe.dashboard_refund(UnexpectedPayment.objects.get().intent_id, 500)
    deliver_all(events_of(shop))
    payment = accept_unexpected(payment=payment)
    assert (payment.status, payment.captured_amount, payment.refunded_amount) == ("confirmed", 12, 5)
    assert Refund.objects.get().amount == 5
    deliver_all(events_of(shop))
    payment.refresh_from_db()
    assert payment.refunded_amount == 5


@pytest.mark.parametrize("parts", [[500], [500, 700]])
def test_part_given_back_in_the_dashboard__the_rest_is_given_back(shop: Shop, parts: list[int]) -> None:
    payment = paid_with(shop, 1200)
    for part in parts:
        shop.stripe.dashboard_refund(UnexpectedPayment.objects.get().intent_id, part)
    # Whatever was heard of these parts.
    deliver_all(event for event in events_of(shop) if not event["type"].startswith("refund."))
    assert refund_unexpected(payment=payment).status == "rejected"
    assert sorted(refund["amount"] for refund in shop.stripe.all("refund")) == [500, 700]
    assert UnexpectedPayment.objects.get().state == "returned"


@pytest.mark.parametrize("is_paid", [True, False])
def test_imported__is_no_payment_of_its_own(shop: Shop, is_paid: bool) -> None:
    payment, first = with_an_older_page(shop)
    for page in (payment.transaction_id, first) if is_paid else (first,):
        shop.stripe.complete_checkout(page)
    deliver_all(events_of(shop))
    row = UnexpectedPayment.objects.get()
    call_command("import_account", "--variant", "stripe")
    assert type(payment).objects.get().pk == payment.pk
    refund_unexpected(payment=payment)
    assert [refund["payment_intent"] for refund in shop.stripe.all("refund")] == [row.intent_id]


def test_accepted_beside_an_authorisation__releases_that(shop: Shop) -> None:
    payment, first = with_an_older_page(shop, capture_method="manual")
    shop.stripe.complete_checkout(payment.transaction_id)
    payment = sync_payment(payment=payment)
    assert payment.status == "preauth"
    shop.stripe.complete_checkout(first)
    deliver_all(events_of(shop))
    row = UnexpectedPayment.objects.get()
    payment = accept_unexpected(payment=payment)
    assert (payment.status, payment.intent_id, payment.authorized_amount) == ("preauth", row.intent_id, 10)
    statuses = {intent["id"]: intent["status"] for intent in shop.stripe.all("payment_intent")}
    assert statuses.pop(row.intent_id) == "requires_capture"
    assert set(statuses.values()) == {"canceled"}
    # The end of the other is no news.
    deliver_all(events_of(shop))
    payment.refresh_from_db()
    assert payment.status == "preauth"
    assert capture_payment(payment=payment).captured_amount == 10
