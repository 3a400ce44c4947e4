"""What an event claims about money is compared with the payment; what contradicts it changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from payments.core import PROVIDER_CACHE

from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.models import PaymentLog
from tests.conftest import SignalRecorder
from tests.factories import intent_object, make_event, make_paid_payment, make_payment, refund_object, session_object
from tests.test_webhooks.support import deliver, money_rows, row_of

pytestmark = pytest.mark.django_db(transaction=True)

Build = Callable[[], tuple[Any, dict[str, Any]]]


def session(**fields: Any) -> Build:
    """Return a builder of a completed session's event whose session has other fields."""

    def build() -> tuple[Any, dict[str, Any]]:
        payment = make_payment(transaction_id="cs_1", intent_id=fields.pop("known_intent", ""))
        return payment, make_event("checkout.session.completed", session_object(payment, **fields))

    return build


def intent(event_type: str = "payment_intent.succeeded", status: str = "succeeded", **fields: Any) -> Build:
    """Return a builder of an intent's event whose intent has other fields."""

    def build() -> tuple[Any, dict[str, Any]]:
        payment = make_payment(transaction_id="pi_1", intent_id="pi_1")
        return payment, make_event(event_type, intent_object(payment, status, **fields))

    return build


def refund(**fields: Any) -> Build:
    """Return a builder of a refund's event whose refund has other fields."""

    def build() -> tuple[Any, dict[str, Any]]:
        payment = make_paid_payment(intent_id="pi_1")
        marked = {"metadata": {"token": str(payment.token)}} | fields
        return payment, make_event("refund.created", refund_object(payment, 300) | marked)

    return build


def charge(**fields: Any) -> Build:
    """Return a builder of a refunded charge's event whose charge has other fields."""

    def build() -> tuple[Any, dict[str, Any]]:
        payment = make_paid_payment(intent_id="pi_1")
        refunds = {"object": "list", "has_more": False, "data": [refund_object(payment, 300)]}
        obj = {
            "id": "ch_1",
            "object": "charge",
            "amount_refunded": 300,
            "currency": "usd",
            "livemode": False,
            "payment_intent": "pi_1",
            "refunds": refunds,
            "metadata": {"token": str(payment.token)},
        }
        return payment, make_event("charge.refunded", obj | fields)

    return build


def dispute(**fields: Any) -> Build:
    """Return a builder of a dispute's event whose dispute has other fields."""

    def build() -> tuple[Any, dict[str, Any]]:
        payment = make_paid_payment(intent_id="pi_1")
        obj = {"id": "du_1", "object": "dispute", "amount": 1000, "currency": "usd", "status": "needs_response"}
        marked = {"payment_intent": "pi_1", "livemode": False, "metadata": {"token": str(payment.token)}}
        return payment, make_event("charge.dispute.created", obj | marked | fields)

    return build


MISMATCHES: dict[str, tuple[Build, str]] = {
    "session amount": (session(amount_total=999), "amount differs"),
    "session amount above": (session(amount_total=100_000), "amount differs"),
    "session amount missing": (session(amount_total=None), "amount or currency is missing"),
    "session currency": (session(currency="eur"), "currency differs"),
    "session currency of another precision": (session(currency="jpy", amount_total=10), "currency differs"),
    "session currency missing": (session(currency=None), "amount or currency is missing"),
    "session id": (session(id="cs_other"), "session differs"),
    "session intent": (session(known_intent="pi_1", payment_intent="pi_other"), "intent differs"),
    "session live mode": (session(livemode=True), "live mode differs"),
    "session that cost nothing": (session(payment_status="no_payment_required", amount_total=0), "amount differs"),
    "intent amount": (intent(amount=999), "amount differs"),
    "intent amount missing": (intent(amount=None), "Stripe sent an object that is not complete."),
    "intent received more": (intent(amount_received=1001), "amount received differs"),
    "intent received nothing": (intent(amount_received=0), "amount received differs"),
    "intent currency": (intent(currency="cad"), "currency differs"),
    "intent currency missing": (intent(currency=None), "Stripe sent an object that is not complete."),
    "intent id": (intent(id="pi_other"), "intent differs"),
    "intent live mode": (intent(livemode=True), "live mode differs"),
    "authorised amount": (
        intent("payment_intent.amount_capturable_updated", "requires_capture", amount=1),
        "amount differs",
    ),
    "cancelled intent's id": (intent("payment_intent.canceled", "canceled", id="pi_other"), "intent differs"),
    "failed intent's currency": (
        intent("payment_intent.payment_failed", "requires_payment_method", currency="eur"),
        "currency differs",
    ),
    "refund above the total": (refund(amount=1001), "refund amount differs"),
    "refund of nothing": (refund(amount=0), "refund amount differs"),
    "refund currency": (refund(currency="eur"), "currency differs"),
    "refund intent": (refund(payment_intent="pi_other"), "intent differs"),
    "charge intent": (charge(payment_intent="pi_other"), "intent differs"),
    "charge live mode": (charge(livemode=True), "live mode differs"),
    "charge without an amount": (charge(refunds=None, amount_refunded=None), "Stripe sent a charge"),
    "dispute currency": (dispute(currency="eur"), "currency differs"),
    "dispute intent": (dispute(payment_intent="pi_other"), "intent differs"),
    "dispute live mode": (dispute(livemode=True), "live mode differs"),
}


def assert_mismatch(payment: Any, event: dict[str, Any], reason: str, recorded: SignalRecorder, caplog: Any) -> None:
    """Deliver; nothing may change, and the event, the audit trail, the log and a signal say so."""
    before = money_rows()
    assert deliver(event).json()["state"] == "mismatched"
    assert money_rows() == before
    assert not payment.refunds.exists()
    assert (row_of(event).state, row_of(event).error) == ("mismatched", "")
    log = PaymentLog.objects.get()
    assert (log.payment_id, log.event, log.event_id) == (payment.pk, "mismatch", event["id"])
    assert (log.source, log.actor, log.data) == ("webhook", "stripe", {"type": event["type"]})
    assert reason in log.message
    assert recorded.names == ["webhook_received", "payment_mismatch"]
    values = recorded.values("payment_mismatch")[0]
    assert (values["payment"], values["event_id"]) == (payment, event["id"])
    assert reason in values["reason"]
    assert f"The event {event['id']} contradicts payment {payment.pk}" in caplog.text
    # A duplicate is not announced again.
    assert deliver(event).json()["state"] == "mismatched"
    assert (PaymentLog.objects.count(), len(recorded.names)) == (1, 2)


@pytest.mark.parametrize("name", MISMATCHES)
def test_mismatch(name: str, recorded_signals: SignalRecorder, caplog: Any) -> None:
    build, reason = MISMATCHES[name]
    payment, event = build()
    assert_mismatch(payment, event, reason, recorded_signals, caplog)


@pytest.mark.parametrize("build", [session(), intent(), refund(), charge(), dispute()])
def test_mismatch__live_mode_of_the_event(build: Build, recorded_signals: SignalRecorder, caplog: Any) -> None:
    payment, event = build()
    event["livemode"] = True
    assert_mismatch(payment, event, "live mode differs", recorded_signals, caplog)


def test_mismatch__test_event_of_a_live_payment(recorded_signals: SignalRecorder, caplog: Any) -> None:
    payment = make_payment(livemode=True)
    event = make_event("checkout.session.completed", session_object(payment))
    assert_mismatch(payment, event, "live mode differs", recorded_signals, caplog)


@pytest.mark.parametrize("build", [session(), intent(), refund(), charge(), dispute()])
def test_mismatch__account(build: Build, settings: Any, recorded_signals: SignalRecorder, caplog: Any) -> None:
    """Another account's signature changes no payment of this one."""
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, {"api_key": "sk_test_a", "endpoint_secret": "whsec_a"}),
        "other": (STRIPE_PROVIDER, {"api_key": "sk_test_b", "endpoint_secret": "whsec_test"}),
    }
    PROVIDER_CACHE.clear()
    payment, event = build()
    assert_mismatch(payment, event, "account differs", recorded_signals, caplog)


@pytest.mark.parametrize("build", [session(), intent(), refund(), charge(), dispute()])
def test_the_same_without_a_lie(build: Build, recorded_signals: SignalRecorder) -> None:
    """What the tests above start from is accepted."""
    _payment, event = build()
    assert deliver(event).json()["state"] == "processed"
    assert "payment_mismatch" not in recorded_signals.names


def test_good_refunds_beside_a_bad_one() -> None:
    """In whichever order the charge lists them."""
    for flip in (False, True):
        payment = make_paid_payment()
        refunds = [refund_object(payment, 300), refund_object(payment, 5000), refund_object(payment, 200)]
        event = charge(
            id=f"ch_{flip}",
            metadata={"token": str(payment.token)},
            payment_intent=payment.intent_id,
            refunds={"object": "list", "has_more": False, "data": refunds[::-1] if flip else refunds},
        )()[1]
        assert deliver(event).json()["state"] == "mismatched"
        payment.refresh_from_db()
        assert (payment.refunded_amount, payment.refunds.count()) == (5, 2)


# Objects of another system on the same account.


@pytest.mark.parametrize("event_type", ["payment_intent.succeeded", "checkout.session.completed"])
@pytest.mark.parametrize("token", [None, "", "other", 1, ["x"], {"a": 1}, "x" * 36])
def test_foreign__payment_id_never_matches(event_type: str, token: Any) -> None:
    payment = make_payment()
    make = intent_object if event_type.startswith("payment_intent") else session_object
    obj = make(payment, id="foreign_1", payment_intent=None, client_reference_id=str(payment.pk))
    obj["metadata"] = {"payment_id": str(payment.pk), "order_id": str(payment.order_id), "token": token}
    before = money_rows()
    assert deliver(make_event(event_type, obj)).json()["state"] == "ignored"
    assert money_rows() == before


def test_foreign__token_with_something_behind_it() -> None:
    payment = make_payment()
    for token in (f"{payment.token}x", f" {payment.token}", str(payment.token)[:-1]):
        obj = intent_object(payment, metadata={"token": token})
        assert deliver(make_event("payment_intent.succeeded", obj)).json()["state"] == "ignored"


def test_foreign__refund_and_dispute_without_an_intent() -> None:
    """Payments that were never started have no intent either."""
    payment = make_payment()
    assert payment.intent_id == payment.transaction_id == ""
    for nothing in (None, ""):
        obj = refund_object(payment, 100, payment_intent=nothing)
        assert deliver(make_event("refund.created", obj)).json()["state"] == "ignored"
    assert not payment.refunds.exists()


@pytest.mark.parametrize("ids", [{"transaction_id": "pi_1", "intent_id": "pi_1"}, {"transaction_id": "cs_1"}])
def test_token_of_another_payment__with_our_object(ids: dict[str, str]) -> None:
    """The provider's own id says whose it is, also where the metadata of another payment was copied to it."""
    payment, other = make_payment(**ids), make_paid_payment()
    make, event_type = (intent_object, "payment_intent.succeeded")
    if "intent_id" not in ids:
        make, event_type = (session_object, "checkout.session.completed")
    obj = make(payment, metadata={"token": str(other.token)})
    assert deliver(make_event(event_type, obj)).json()["state"] == "processed"
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    before = other.modified
    other.refresh_from_db()
    assert other.modified == before


@pytest.mark.parametrize("make", [intent_object, session_object])
def test_copied_token__on_an_object_of_nobody(make: Any) -> None:
    """Another intent or page with the metadata of a payment moves nothing, paid or not."""
    for payment in (make_payment(transaction_id="cs_7", intent_id="pi_7"), make_paid_payment()):
        obj = make(payment, id="copy_1") | ({"payment_intent": "pi_copy"} if make is session_object else {})
        event_type = "payment_intent.succeeded" if make is intent_object else "checkout.session.completed"
        before = money_rows()
        assert deliver(make_event(event_type, obj)).json()["state"] == "mismatched"
        assert money_rows() == before


def test_unknown_token__with_our_intent() -> None:
    """The provider's own id is proof enough; metadata can be edited at the dashboard."""
    payment = make_payment(transaction_id="pi_1", intent_id="pi_1")
    obj = intent_object(payment, metadata={"token": "edited"})
    assert deliver(make_event("payment_intent.succeeded", obj)).json()["state"] == "processed"


def test_refund_of_another_payment() -> None:
    payment, other = make_paid_payment(), make_paid_payment()
    obj = refund_object(payment, 300)
    assert deliver(make_event("refund.created", obj)).json()["state"] == "processed"
    stolen = obj | {"payment_intent": other.intent_id}
    assert deliver(make_event("refund.updated", stolen)).json()["state"] == "mismatched"


def test_mismatch__logged_without_the_values(caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    payment, event = session(amount_total=123_456_789)()
    deliver(event)
    assert "123456789" not in caplog.text
    assert str(payment.token) not in "".join(r.getMessage() for r in caplog.records if "django_stripe" in r.name)
