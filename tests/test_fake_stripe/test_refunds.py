from __future__ import annotations

import pytest
import stripe

from tests.test_fake_stripe.shop import Shop, plain


def test_refund__partial_then_rest(shop: Shop) -> None:
    intent = shop.intent()
    first = shop.v1.refunds.create({"payment_intent": intent["id"], "amount": 500, "metadata": {"refund": "1"}})
    assert (first.status, first.amount, first.charge) == ("succeeded", 500, intent["latest_charge"])
    assert plain(first.metadata) == {"refund": "1"}
    assert shop.types()[-2:] == ["refund.created", "charge.refunded"]
    shown = shop.fake.events("charge.refunded")[0]["data"]
    assert (shown["object"]["amount_refunded"], shown["previous_attributes"]["amount_refunded"]) == (500, 0)
    rest = shop.v1.refunds.create({"charge": intent["latest_charge"]})
    shop.v1.refunds.create({"payment_intent": shop.intent()["id"]})
    assert rest.amount == 1500
    assert shop.fake.get(intent["latest_charge"])["refunded"] is True
    listed = shop.v1.refunds.list({"payment_intent": intent["id"]})
    assert [item.id for item in listed.data] == [rest.id, first.id]
    assert listed.has_more is False


def test_refund__too_much(shop: Shop) -> None:
    intent = shop.intent()
    with pytest.raises(stripe.InvalidRequestError, match=r"\(\$20.01\) is greater than charge amount \(\$20.00\)"):
        shop.v1.refunds.create({"payment_intent": intent["id"], "amount": 2001})
    shop.v1.refunds.create({"payment_intent": intent["id"], "amount": 500})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.refunds.create({"payment_intent": intent["id"], "amount": 1501})
    assert "($15.01) is greater than unrefunded amount on charge ($15.00)" in str(caught.value)
    assert (caught.value.code, caught.value.param) == (None, "amount")


def test_refund__already_refunded(shop: Shop) -> None:
    intent = shop.intent()
    shop.v1.refunds.create({"payment_intent": intent["id"]})
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.refunds.create({"payment_intent": intent["id"], "amount": 1})
    assert caught.value.code == "charge_already_refunded"


def test_refund__not_paid(shop: Shop) -> None:
    intent = shop.intent(capture_method="manual")
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        shop.v1.refunds.create({"payment_intent": intent["id"]})


def test_refund__pending_then_settled(shop: Shop) -> None:
    shop.fake.refunds_stay_pending = True
    refund = shop.v1.refunds.create({"payment_intent": shop.intent()["id"]})
    assert refund.status == "pending"
    events = shop.fake.settle_refund(refund.id)
    assert [event["type"] for event in events] == ["refund.updated", "charge.refund.updated"]
    assert shop.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_refund__fails_later(shop: Shop) -> None:
    intent = shop.intent()
    refund = shop.v1.refunds.create({"payment_intent": intent["id"]})
    events = shop.fake.fail_refund(refund.id)
    assert [event["type"] for event in events] == ["refund.updated", "charge.refund.updated", "refund.failed"]
    failed = shop.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert shop.fake.get(intent["latest_charge"])["amount_refunded"] == 0


def test_dashboard_refund(shop: Shop) -> None:
    intent = shop.intent()
    event = shop.fake.dashboard_refund(intent["id"], 700)[0]
    assert event["request"] == {"id": None, "idempotency_key": None}
    assert (event["type"], event["data"]["object"]["amount"]) == ("refund.created", 700)


@pytest.mark.parametrize(("won", "status"), [(True, "won"), (False, "lost")])
def test_dispute(shop: Shop, won: bool, status: str) -> None:
    intent = shop.intent()
    events = shop.fake.dispute(intent["id"])
    assert [event["type"] for event in events] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        shop.v1.refunds.create({"payment_intent": intent["id"]})
    assert caught.value.code == "charge_disputed"
    dispute = events[0]["data"]["object"]
    closed = shop.fake.close_dispute(dispute["id"], won)
    assert closed[0]["type"] == "charge.dispute.closed"
    assert shop.v1.disputes.retrieve(dispute["id"]).status == status
    assert ("charge.dispute.funds_reinstated" in shop.types()) is won


def test_dispute__inquiry_takes_no_funds(shop: Shop) -> None:
    intent = shop.intent()
    events = shop.fake.dispute(intent["id"], status="warning_needs_response")
    assert [event["type"] for event in events] == ["charge.dispute.created"]
    assert shop.v1.refunds.create({"payment_intent": intent["id"]}).status == "succeeded"
