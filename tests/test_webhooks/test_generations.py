"""The same events in the shapes of both generations of Stripe's API end in the same rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from django_stripe_gateway.models import PaymentLog, WebhookEvent
from tests.conftest import SignalRecorder
from tests.factories import intent_object, make_event, make_paid_payment, make_payment, session_object
from tests.fake_stripe import payments
from tests.test_webhooks.conftest import Shop
from tests.test_webhooks.support import Event, deliver, deliver_all, money_rows

pytestmark = pytest.mark.django_db(transaction=True)

OLD = "2017-08-15"
IDS = re.compile(r"\b(?:evt|pi|cs_test|re|ch|du|dp|txn|req)_\w+")
# What differs from one payment to the next, whatever their events look like.
OWN = {"id", "token", "created", "modified", "order_id"}


def without_ids(value: Any) -> Any:
    """Return ``value`` without the provider's ids in it."""
    if isinstance(value, dict):
        return {name: without_ids(inner) for name, inner in value.items() if name not in OWN}
    if isinstance(value, list | tuple):
        return [without_ids(inner) for inner in value]
    return IDS.sub("<id>", value) if isinstance(value, str) else value


def rows_of(payment: Any, recorder: SignalRecorder) -> dict[str, Any]:
    """Return all that a payment's events have left behind."""
    fields = type(payment).objects.values().get(pk=payment.pk)
    # The record of the provider's object holds what its generation has, such as the id of the charge.
    record = fields.pop("extra_data", None)
    refunds = payment.refunds.order_by("pk").values("status", "amount", "currency", "reason", "failure_reason")
    logs = PaymentLog.objects.filter(payment=payment).order_by("pk")
    return {
        "payment": without_ids(fields),
        "has_record": bool(record),
        "refunds": list(refunds),
        "logs": without_ids(list(logs.values("event", "source", "actor", "message", "data"))),
        "events": list(WebhookEvent.objects.order_by("pk").values_list("type", "state", "attempts")),
        "signals": recorder.names,
    }


def paid(shop: Shop, payment: Any) -> None:
    shop.fake.complete_checkout(payment.transaction_id)


def declined_then_paid(shop: Shop, payment: Any) -> None:
    shop.fake.complete_checkout(payment.transaction_id, "pm_card_chargeDeclinedInsufficientFunds")
    shop.fake.complete_checkout(payment.transaction_id)


def slow_and_failed(shop: Shop, payment: Any) -> None:
    shop.fake.complete_checkout(payment.transaction_id, "async")
    shop.fake.settle_async(payment.transaction_id, succeeded=False)


def captured_in_part(shop: Shop, payment: Any) -> None:
    paid(shop, payment)
    intent_id = shop.fake.get(payment.transaction_id)["payment_intent"]
    shop.fake.act(intent_id, lambda scope, intent: payments.capture(scope, intent, 600))
    shop.fake.dashboard_refund(intent_id, 200)


def refunded_in_parts(shop: Shop, payment: Any) -> None:
    paid(shop, payment)
    intent_id = shop.fake.get(payment.transaction_id)["payment_intent"]
    shop.fake.dashboard_refund(intent_id, 300, reason="requested_by_customer")
    shop.fake.dashboard_refund(intent_id)


def refund_failed(shop: Shop, payment: Any) -> None:
    paid(shop, payment)
    shop.fake.dashboard_refund(shop.fake.get(payment.transaction_id)["payment_intent"], 300)
    shop.fake.fail_refund(shop.fake.all("refund")[-1]["id"])


def disputed_and_lost(shop: Shop, payment: Any) -> None:
    paid(shop, payment)
    shop.fake.dispute(shop.fake.get(payment.transaction_id)["payment_intent"])
    shop.fake.close_dispute(shop.fake.all("dispute")[-1]["id"])


STORIES: dict[str, tuple[Callable[[Shop, Any], None], dict[str, Any]]] = {
    "paid": (paid, {}),
    "declined, then paid": (declined_then_paid, {}),
    "slow and failed": (slow_and_failed, {}),
    "captured in part": (captured_in_part, {"capture_method": "manual"}),
    "refunded in parts": (refunded_in_parts, {}),
    "refund failed": (refund_failed, {}),
    "disputed and lost": (disputed_and_lost, {}),
}


@pytest.mark.parametrize("name", STORIES)
def test_same_rows(name: str, shop: Shop, recorded_signals: SignalRecorder) -> None:
    story, fields = STORIES[name]
    left = {}
    for generation in ("current", "legacy"):
        shop.fake.generation = generation
        before = len(shop.fake.events())
        payment = shop.payment(**fields)
        story(shop, payment)
        recorded_signals.sent.clear()
        WebhookEvent.objects.all().delete()
        deliver_all(shop.fake.events()[before:])
        versions = set(WebhookEvent.objects.values_list("api_version", flat=True))
        assert versions == {OLD if generation == "legacy" else "2026-10-28.endive"}
        payment.refresh_from_db()
        left[generation] = rows_of(payment, recorded_signals)
    assert left["current"] == left["legacy"]
    assert left["current"]["logs"]


# By hand, and side by side: what one endpoint sends in the shape of before 2022-11-15 (and of localstripe), another in
# today's, while a site moves from one to the other. At Stripe both carry the same event id.


def old_intent(payment: Any, **fields: Any) -> dict[str, Any]:
    """Return an intent as localstripe shows it: its charges in a list, and neither received nor latest charge."""
    intent = intent_object(payment, **fields)
    charge = {"id": "ch_1", "object": "charge", "amount": intent["amount"], "captured": True, "status": "succeeded"}
    charge |= {"currency": intent["currency"], "refunds": {"object": "list", "data": [], "has_more": False}}
    for name in ("amount_received", "amount_capturable"):
        intent.pop(name)
    return intent | {"charges": {"object": "list", "data": [charge], "has_more": False}, "livemode": False}


def charge_pair(payment: Any, amount: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a refunded charge that embeds its refunds, and one that only counts them."""
    charge = {
        "id": "ch_1",
        "object": "charge",
        "amount": 1000,
        "amount_captured": 1000,
        "amount_refunded": amount,
        "captured": True,
        "currency": "usd",
        "livemode": False,
        "payment_intent": payment.intent_id,
        "metadata": {"token": str(payment.token)},
    }
    refund = {"id": "re_1", "object": "refund", "amount": amount, "currency": "usd", "status": "succeeded"}
    refund |= {"payment_intent": payment.intent_id, "metadata": {}, "charge": "ch_1"}
    return charge | {"refunds": {"object": "list", "data": [refund], "has_more": False}}, charge


def both(event_type: str, old: dict[str, Any], new: dict[str, Any]) -> tuple[Event, Event]:
    """Return one event in both shapes."""
    event = make_event(event_type, new)
    return make_event(event_type, old, id=event["id"], api_version=OLD), event


@pytest.mark.parametrize("first", ["old", "new"])
def test_one_event_in_both_shapes__payment(first: str, recorded_signals: SignalRecorder) -> None:
    payment = make_payment(transaction_id="cs_1")
    pair = both("payment_intent.succeeded", old_intent(payment), intent_object(payment))
    assert deliver_all(pair if first == "old" else pair[::-1]) == ["processed", "processed"]
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", 10)
    assert recorded_signals.names == ["webhook_received", "payment_confirmed", "webhook_processed"]
    assert WebhookEvent.objects.get().attempts == 1


@pytest.mark.parametrize("first", ["old", "new"])
def test_two_events_in_both_shapes__refund(first: str, recorded_signals: SignalRecorder, monkeypatch: Any) -> None:
    """With ids of their own, as two events of the same second have: the second says nothing new."""
    from django_stripe_gateway.gateways.stripe.payment_objects import charge_refunds
    from django_stripe_gateway.gateways.stripe.payments import StripeGateway

    payment = make_paid_payment()
    old, new = charge_pair(payment, 300)
    asked: list[Any] = []

    def list_refunds(gateway: Any, ref: Any) -> Any:
        asked.append(ref.intent_id)
        return charge_refunds(old)

    monkeypatch.setattr(StripeGateway, "list_refunds", list_refunds)
    events = [make_event("charge.refunded", old, api_version=OLD), make_event("charge.refunded", new)]
    deliver_all(events if first == "old" else events[::-1])
    payment.refresh_from_db()
    assert (payment.status, payment.refunded_amount, payment.refunds.count()) == ("confirmed", 3, 1)
    assert recorded_signals.names.count("payment_refunded") == 1
    # The new shape does not say which refunds; Stripe is asked only when they are not known.
    assert asked == ([] if first == "old" else [payment.intent_id])


def test_old_session() -> None:
    """Of before sessions had a mode and a status of their own."""
    payment = make_payment(transaction_id="cs_1")
    session = session_object(payment)
    for name in ("mode", "status"):
        session.pop(name)
    assert deliver(make_event("checkout.session.completed", session, api_version="2019-12-03")).json() == {
        "received": True,
        "state": "processed",
    }
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", 10)


@pytest.mark.parametrize("intent", ["id", "expanded"])
@pytest.mark.parametrize("charge", ["id", "expanded"])
def test_dispute__names_or_embeds(intent: str, charge: str) -> None:
    """What a field names in one version it embeds in another, or when somebody asks for it."""
    payment = make_paid_payment()
    dispute = {
        "id": "du_1",
        "object": "dispute",
        "amount": 1000,
        "charge": "ch_1" if charge == "id" else charge_pair(payment, 0)[0],
        "currency": "usd",
        "livemode": False,
        "payment_intent": payment.intent_id if intent == "id" else old_intent(payment),
        "reason": "fraudulent",
        "status": "needs_response",
    }
    assert deliver(make_event("charge.dispute.created", dispute)).json()["state"] == "processed"
    payment.refresh_from_db()
    assert payment.fraud_status == "review"


def test_old_shape_is_checked_as_well() -> None:
    """An amount that contradicts the payment is found in the old shape, too."""
    payment = make_payment(transaction_id="cs_1")
    before = money_rows()
    wrong = old_intent(payment, amount=999)
    assert deliver(make_event("payment_intent.succeeded", wrong, api_version=OLD)).json()["state"] == "mismatched"
    assert money_rows() == before
