"""Every payment event as the fake Stripe sends it, in both API generations, signed, through the view."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.models import PaymentLog
from django_stripe_gateway.services.payments.cancel import cancel_payment
from django_stripe_gateway.services.payments.capture import capture_payment
from django_stripe_gateway.services.payments.confirm import confirm_payment
from django_stripe_gateway.services.payments.create import start_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from tests.conftest import SignalRecorder
from tests.test_webhooks.conftest import Shop
from tests.test_webhooks.support import deliver_all, money_rows, only, row_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("generation")]


def state(payment: Any) -> tuple[str, Decimal, Decimal]:
    """Return where a payment stands."""
    payment.refresh_from_db()
    return payment.status, payment.captured_amount, payment.refunded_amount


@pytest.fixture
def intents(settings: Any) -> None:
    """Let the host confirm PaymentIntents itself, with Stripe.js."""
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, {"flow": "intent"})}


def requests(shop: Shop, path: str) -> int:
    """Return how often a path was asked for."""
    return sum(request.path == path for request in shop.fake.requests)


def test_checkout__paid(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.payment()
    events = shop.fake.complete_checkout(payment.transaction_id)
    states = dict(zip([event["type"] for event in events], deliver_all(events), strict=True))
    assert states == {
        "payment_intent.created": "ignored",
        "charge.succeeded": "processed",
        "payment_intent.succeeded": "processed",
        "checkout.session.completed": "processed",
    }
    assert state(payment) == ("confirmed", 10, 0)
    assert payment.intent_id == only(events, "payment_intent.succeeded")[0]["data"]["object"]["id"]
    assert payment.transaction_id.startswith("cs_")
    assert recorded_signals.names.count("payment_confirmed") == 1
    assert len(recorded_signals.values("webhook_received")) == 4
    log = PaymentLog.objects.get(payment=payment, event="status_changed")
    assert (log.source, log.actor, log.message) == ("webhook", "stripe", "waiting -> confirmed")
    assert log.event_id == only(events, "payment_intent.succeeded")[0]["id"]


@pytest.mark.parametrize("event_type", ["checkout.session.completed", "payment_intent.succeeded"])
def test_checkout__paid__one_event_is_enough(shop: Shop, event_type: str) -> None:
    payment = shop.payment()
    events = only(shop.fake.complete_checkout(payment.transaction_id), event_type)
    assert deliver_all(events) == ["processed"]
    assert state(payment) == ("confirmed", 10, 0)
    assert payment.intent_id
    row = row_of(events[0])
    assert row.api_version == shop.fake.events()[0]["api_version"]


@pytest.mark.parametrize(
    ("currency", "amount"), [("JPY", "1000"), ("KWD", "1.230"), ("UGX", "5000"), ("IDR", "99999999.00")]
)
def test_checkout__currencies(shop: Shop, currency: str, amount: str) -> None:
    payment = shop.payment(amount, currency=currency)
    deliver_all(shop.fake.complete_checkout(payment.transaction_id))
    assert state(payment) == ("confirmed", Decimal(amount), 0)


def test_checkout__async_succeeded(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.payment()
    deliver_all(shop.fake.complete_checkout(payment.transaction_id, "async"))
    assert state(payment) == ("waiting", 0, 0)
    assert "payment_confirmed" not in recorded_signals.names
    events = only(shop.fake.settle_async(payment.transaction_id), "checkout.session.async_payment_succeeded")
    assert deliver_all(events) == ["processed"]
    assert state(payment) == ("confirmed", 10, 0)
    assert recorded_signals.names.count("payment_confirmed") == 1


def test_checkout__async_failed(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.payment()
    deliver_all(shop.fake.complete_checkout(payment.transaction_id, "async"))
    events = only(shop.fake.settle_async(payment.transaction_id, False), "checkout.session.async_payment_failed")
    assert deliver_all(events) == ["processed"]
    assert state(payment) == ("rejected", 0, 0)
    assert (payment.failure_code, payment.message) == ("async_payment_failed", "The bank did not make the payment.")
    assert recorded_signals.values("payment_failed")[0]["code"] == "async_payment_failed"


def test_checkout__no_payment_required(shop: Shop) -> None:
    """A session that cost nothing pays a payment of nothing, and only that."""
    payment = shop.payment()
    events = shop.fake.complete_checkout(payment.transaction_id, outcome="no_payment_required")
    obj = only(events, "checkout.session.completed")[0]["data"]["object"]
    assert (obj["payment_status"], obj["payment_intent"]) == ("no_payment_required", None)
    type(payment).objects.filter(pk=payment.pk).update(total=0)
    obj["amount_total"] = 0
    assert deliver_all(only(events, "checkout.session.completed")) == ["processed"]
    assert state(payment) == ("confirmed", 0, 0)


def test_checkout__expired(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.payment()
    assert deliver_all(shop.fake.expire_session(payment.transaction_id)) == ["processed"]
    assert state(payment) == ("rejected", 0, 0)
    assert payment.message == "The payment expired before it was paid."
    assert recorded_signals.names[-2:] == ["payment_failed", "webhook_processed"]


def test_checkout__old_session_expired(shop: Shop) -> None:
    """After a new attempt the old session's events no longer matter."""
    payment = shop.payment()
    old = payment.transaction_id
    expired = shop.fake.expire_session(old)
    type(payment).objects.filter(pk=payment.pk).update(status="rejected")
    payment.refresh_from_db()
    payment = start_payment(payment=payment)
    assert payment.transaction_id != old
    before = money_rows()
    assert deliver_all(expired) == ["processed"]
    assert money_rows() == before
    deliver_all(shop.fake.complete_checkout(payment.transaction_id))
    assert state(payment) == ("confirmed", 10, 0)


def test_checkout__declined_then_paid(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.payment()
    deliver_all(shop.fake.complete_checkout(payment.transaction_id, "pm_card_chargeDeclinedInsufficientFunds"))
    assert state(payment) == ("error", 0, 0)
    assert (payment.failure_code, payment.decline_code) == ("card_declined", "insufficient_funds")
    assert payment.is_payable
    deliver_all(shop.fake.complete_checkout(payment.transaction_id))
    assert state(payment) == ("confirmed", 10, 0)
    assert (payment.failure_code, payment.message) == ("", "")
    names = [name for name in recorded_signals.names if name.startswith("payment_")]
    assert names == ["payment_created", "payment_failed", "payment_confirmed"]


def test_checkout__declined_then_expired(shop: Shop) -> None:
    payment = shop.payment()
    deliver_all(shop.fake.complete_checkout(payment.transaction_id, "pm_card_chargeDeclined"))
    events = shop.fake.expire_session(payment.transaction_id)
    assert {event["type"] for event in events} == {"payment_intent.canceled", "checkout.session.expired"}
    deliver_all(events)
    assert state(payment) == ("rejected", 0, 0)


def test_manual_capture(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.payment(capture_method="manual")
    deliver_all(shop.fake.complete_checkout(payment.transaction_id))
    assert state(payment) == ("preauth", 0, 0)
    payment = capture_payment(payment=payment, amount=Decimal("6.00"))
    assert state(payment) == ("confirmed", 6, 0)
    deliver_all(shop.fake.events(object_id=payment.intent_id))
    assert state(payment) == ("confirmed", 6, 0)
    assert recorded_signals.names.count("payment_captured") == 1
    assert not payment.refunds.exists()


def test_manual_capture__made_elsewhere(shop: Shop, recorded_signals: SignalRecorder) -> None:
    """Captured at the dashboard."""
    payment = shop.payment(capture_method="manual")
    deliver_all(shop.fake.complete_checkout(payment.transaction_id))
    payment.refresh_from_db()

    from tests.fake_stripe import payments

    events = shop.fake.act(payment.intent_id, lambda scope, intent: payments.capture(scope, intent, 400))
    deliver_all(events)
    assert state(payment) == ("confirmed", 4, 0)
    assert recorded_signals.values("payment_captured")[0]["amount"] == 4


def test_authorisation_that_ran_out(shop: Shop, recorded_signals: SignalRecorder) -> None:
    """Stripe shows the release as a refunded charge too, which is no refund."""
    payment = shop.payment(capture_method="manual")
    deliver_all(shop.fake.complete_checkout(payment.transaction_id))
    payment.refresh_from_db()
    events = shop.fake.expire_authorization(payment.intent_id)
    assert [event["type"] for event in events] == ["charge.expired", "charge.refunded", "payment_intent.canceled"]
    assert deliver_all(events) == ["ignored", "processed", "processed"]
    assert state(payment) == ("rejected", 0, 0)
    assert not payment.refunds.exists()
    assert "payment_refunded" not in recorded_signals.names


@pytest.mark.usefixtures("intents")
def test_intent__authentication(shop: Shop) -> None:
    payment = shop.payment(payment_method="pm_card_authenticationRequired")
    confirm_payment(payment=payment)
    assert deliver_all(shop.fake.events("payment_intent.requires_action")) == ["processed"]
    assert state(payment) == ("waiting", 0, 0)
    deliver_all(shop.fake.customer_authenticates(payment.intent_id))
    assert state(payment) == ("confirmed", 10, 0)


@pytest.mark.usefixtures("intents")
def test_intent__authentication_failed(shop: Shop) -> None:
    payment = shop.payment(payment_method="pm_card_authenticationRequired")
    confirm_payment(payment=payment)
    deliver_all(shop.fake.customer_authenticates(payment.intent_id, False))
    assert state(payment) == ("error", 0, 0)
    assert payment.failure_code == "payment_intent_authentication_failure"


@pytest.mark.usefixtures("intents")
@pytest.mark.parametrize(("succeeded", "status"), [(True, "confirmed"), (False, "error")])
def test_intent__processing(shop: Shop, succeeded: bool, status: str) -> None:
    payment = shop.payment(payment_method="pm_usBankAccount")
    confirm_payment(payment=payment)
    assert deliver_all(shop.fake.events("payment_intent.processing")) == ["processed"]
    assert state(payment)[0] == "waiting"
    deliver_all(shop.fake.settle_intent(payment.intent_id, succeeded))
    assert state(payment)[0] == status


@pytest.mark.usefixtures("intents")
def test_intent__cancelled_by_us(shop: Shop) -> None:
    payment = cancel_payment(payment=shop.payment())
    assert deliver_all(shop.fake.events("payment_intent.canceled")) == ["processed"]
    assert state(payment)[0] == "cancelled"


def test_refund__ours(shop: Shop, recorded_signals: SignalRecorder) -> None:
    """Its events bring nothing new, and ask for nothing."""
    payment = shop.paid()
    shop.fake.forget_requests()
    refund = refund_payment(payment=payment, amount=Decimal("3.00"))
    before = money_rows()
    events = shop.fake.events("refund.created") + shop.fake.events("charge.refunded")
    assert deliver_all(events) == ["processed", "processed"]
    assert money_rows() == before
    assert state(payment) == ("confirmed", 10, 3)
    assert [one.provider_id for one in payment.refunds.all()] == [refund.provider_id]
    assert recorded_signals.names.count("payment_refunded") == 1
    assert len(shop.fake.requests) == 1


@pytest.mark.parametrize("event_type", ["refund.created", "charge.refunded"])
def test_refund__at_the_dashboard(shop: Shop, event_type: str, recorded_signals: SignalRecorder) -> None:
    """Either event is enough; in the new shape ``charge.refunded`` names no refund and has to be asked about."""
    payment = shop.paid()
    shop.fake.forget_requests()
    for amount, expected in ((300, ("confirmed", 10, 3)), (None, ("refunded", 10, 10))):
        events = only(shop.fake.dashboard_refund(payment.intent_id, amount), event_type)
        assert deliver_all(events) == ["processed"]
        assert state(payment) == expected
    assert [values["is_full"] for values in recorded_signals.values("payment_refunded")] == [False, True]
    asked = 2 if event_type == "charge.refunded" and shop.fake.generation == "current" else 0
    assert requests(shop, "/v1/refunds") == len(shop.fake.requests) == asked


def test_refund__charge_refunded__before_the_intent_is_known(shop: Shop) -> None:
    payment = shop.payment()
    paid = shop.fake.complete_checkout(payment.transaction_id)
    intent_id = only(paid, "payment_intent.succeeded")[0]["data"]["object"]["id"]
    events = only(shop.fake.dashboard_refund(intent_id), "charge.refunded")
    shop.fake.forget_requests()
    assert deliver_all(events) == ["processed"]
    # How the payment stands, and its refunds.
    assert len(shop.fake.requests) <= 2
    assert payment.refunds.get().amount == 10
    deliver_all(paid)
    assert state(payment) == ("refunded", 10, 10)


def test_refund__pending_then_failed(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.paid()
    shop.fake.refunds_stay_pending = True
    refund = refund_payment(payment=payment)
    assert (refund.status, state(payment)) == ("pending", ("confirmed", 10, 0))
    events = shop.fake.fail_refund(refund.provider_id)
    assert {event["type"] for event in events} == {"refund.updated", "charge.refund.updated", "refund.failed"}
    deliver_all(events)
    refund.refresh_from_db()
    assert (refund.status, refund.failure_reason) == ("failed", "expired_or_canceled_card")
    assert state(payment) == ("confirmed", 10, 0)
    assert recorded_signals.names.count("refund_failed") == 1


@pytest.mark.parametrize("event_type", ["refund.updated", "charge.refund.updated"])
def test_refund__pending_then_settled(shop: Shop, event_type: str) -> None:
    payment = shop.paid()
    shop.fake.refunds_stay_pending = True
    refund = refund_payment(payment=payment)
    deliver_all(only(shop.fake.settle_refund(refund.provider_id), event_type))
    assert state(payment) == ("refunded", 10, 10)


def test_refund__failed_after_it_had_succeeded(shop: Shop) -> None:
    payment = shop.paid()
    refund = refund_payment(payment=payment)
    assert state(payment) == ("refunded", 10, 10)
    deliver_all(shop.fake.fail_refund(refund.provider_id))
    assert state(payment) == ("confirmed", 10, 0)


def test_refund__of_a_partial_capture(shop: Shop) -> None:
    """What the capture released counts as refunded on the charge, and is no refund."""
    payment = shop.payment(capture_method="manual")
    deliver_all(shop.fake.complete_checkout(payment.transaction_id))
    payment.refresh_from_db()
    payment = capture_payment(payment=payment, amount=Decimal("6.00"))
    deliver_all(shop.fake.dashboard_refund(payment.intent_id, 200))
    assert state(payment) == ("confirmed", 6, 2)
    deliver_all(shop.fake.dashboard_refund(payment.intent_id))
    assert state(payment) == ("refunded", 6, 6)


@pytest.mark.parametrize(("won", "end"), [(True, "accept"), (False, "reject")])
def test_dispute(shop: Shop, won: bool, end: str, recorded_signals: SignalRecorder) -> None:
    payment = shop.paid()
    opened = shop.fake.dispute(payment.intent_id)
    assert set(deliver_all(opened)) == {"processed"}
    assert state(payment) == ("confirmed", 10, 0)
    assert payment.fraud_status == "review"
    deliver_all(shop.fake.close_dispute(opened[0]["data"]["object"]["id"], won))
    payment.refresh_from_db()
    assert payment.fraud_status == end
    assert payment.is_confirmed
    assert recorded_signals.values("payment_disputed")[-1]["dispute"]["status"] == ("won" if won else "lost")


def test_live(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_API_KEY = "sk_live_fake"
    payment = shop.payment()
    assert payment.livemode
    deliver_all(shop.fake.complete_checkout(payment.transaction_id))
    assert state(payment) == ("confirmed", 10, 0)
