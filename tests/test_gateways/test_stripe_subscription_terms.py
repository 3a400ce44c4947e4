"""How a subscription is collected, why it ends, and what lowers its price, as both API generations say it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from django_stripe_gateway.gateways.stripe.billing_objects import subscription_snapshot

END = 1_702_592_000
ENDS = datetime.fromtimestamp(END, UTC).isoformat()
SAID = {"comment": "Too much for us.", "feedback": "too_expensive", "reason": "cancellation_requested"}
KNOWN = {"discount": "di_1", "coupon": "TEN", "promotion_code": "promo_1", "ends": ENDS}
NEW = {"id": "di_1", "object": "discount", "end": END, "promotion_code": "promo_1"}


def subscription(**fields: Any) -> dict[str, Any]:
    return {"id": "sub_1", "status": "active", "customer": "cus_1", "items": {"data": []}, **fields}


def test_terms() -> None:
    trial = {"end_behavior": {"missing_payment_method": "pause"}}
    snapshot = subscription_snapshot(
        subscription(
            cancellation_details=SAID, trial_settings=trial, collection_method="send_invoice", days_until_due=30
        )
    )
    assert (snapshot.cancellation_feedback, snapshot.cancellation_comment) == ("too_expensive", "Too much for us.")
    assert (snapshot.cancellation_reason, snapshot.trial_end_behavior) == ("cancellation_requested", "pause")
    assert (snapshot.collection_method, snapshot.days_until_due) == ("send_invoice", 30)
    assert "Too much" not in repr(snapshot)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, []),
        ({"discount": None, "discounts": []}, []),
        ({"discounts": ["di_1"]}, [{"discount": "di_1"}]),
        ({"discounts": [{**NEW, "source": {"coupon": "TEN", "type": "coupon"}}]}, [KNOWN]),
        ({"discounts": [{**NEW, "coupon": {"id": "TEN", "object": "coupon"}}]}, [KNOWN]),
        ({"discounts": ["di_1"], "discount": {**NEW, "coupon": {"id": "TEN"}}}, [KNOWN]),
        ({"discount": {**NEW, "coupon": {"id": "TEN"}, "promotion_code": {"id": "promo_1"}}}, [KNOWN]),
        (
            {"discounts": [{"id": "di_2", "source": {"coupon": "TEN"}, "end": None}]},
            [{"discount": "di_2", "coupon": "TEN", "promotion_code": "", "ends": None}],
        ),
    ],
)
def test_discounts(fields: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    assert list(subscription_snapshot(subscription(**fields)).discounts) == expected


def test_terms__of_an_object_that_says_nothing() -> None:
    snapshot = subscription_snapshot(subscription())
    assert (snapshot.cancellation_feedback, snapshot.collection_method, snapshot.days_until_due) == ("", "", None)
