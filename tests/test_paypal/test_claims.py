from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.conf import PAYPAL_PROVIDER
from tests.factories import make_payment
from tests.fake_paypal.server import FakePayPal
from tests.test_paypal.conftest import Shop
from tests.test_paypal.test_events import ENDS, assert_end, forget, life_captured_later, life_paid

pytestmark = pytest.mark.django_db(transaction=True)

Event = dict[str, Any]


def delivered(shop: Shop, event_type: str, change: Any, life: Any = life_paid) -> tuple[Any, str]:
    """Deliver an event of a payment's life, changed, to the payment as it was before."""
    payment = life(shop)
    event = copy.deepcopy(shop.fake.of_type(event_type)[-1])
    change(event["resource"])
    forget(payment)
    return payment, shop.deliver(event)[0]


def without(*names: str) -> Any:
    def change(resource: Event) -> None:
        for name in names:
            resource.pop(name, None)

    return change


@pytest.mark.parametrize("names", [("custom_id",), ("supplementary_data",), ("custom_id", "supplementary_data")])
def test_find__by_what_is_there(shop: Shop, names: tuple[str, ...]) -> None:
    payment, state = delivered(shop, "PAYMENT.CAPTURE.COMPLETED", without(*names))
    assert state == "processed"
    assert_end(payment, ENDS[life_paid])


def test_find__nothing_there(shop: Shop) -> None:
    payment, state = delivered(shop, "PAYMENT.CAPTURE.COMPLETED", without("custom_id", "supplementary_data", "links"))
    assert state == "unmatched"
    assert_end(payment, ("waiting", "0", "0"))


def test_find__refund_by_its_capture(shop: Shop) -> None:
    shop.fake.behaviour.inherits_custom_id = False
    payment = shop.paid()
    event = shop.fake.refund(shop.capture_id(payment), "4.00")
    assert "custom_id" not in event["resource"]
    assert shop.deliver(event) == ["processed"]
    assert_end(payment, ("confirmed", "10.00", "4.00"))


def test_find__another_systems_payment(shop: Shop) -> None:
    life_paid(shop)
    event = copy.deepcopy(shop.fake.of_type("PAYMENT.CAPTURE.COMPLETED")[0])
    event["resource"] |= {"id": "CA-of-them", "custom_id": "order|17", "supplementary_data": {}, "links": []}
    assert shop.deliver(event) == ["unmatched"]


@pytest.mark.parametrize(
    "change",
    [
        {"amount": {"currency_code": "USD", "value": "9.99"}},
        {"amount": {"currency_code": "EUR", "value": "10.00"}},
        {"amount": {"currency_code": "USD", "value": "1e1"}},
        {"amount": {"currency_code": "USD", "value": 10}},
        {"amount": {"value": "10.00"}},
        {"amount": None},
        {"amount": []},
        {"status": "SOMETHING_NEW"},
        {"status": None},
        {"id": None},
        {"id": ["x"]},
        {"id": "x y"},
        {"supplementary_data": {"related_ids": {"order_id": "another"}}},
    ],
    ids=str,
)
def test_claims__contradict(shop: Shop, change: dict[str, Any], recorded_signals: Any) -> None:
    payment, state = delivered(shop, "PAYMENT.CAPTURE.COMPLETED", lambda resource: resource.update(change))
    assert state == "mismatched"
    assert_end(payment, ("waiting", "0", "0"))
    assert "payment_mismatch" in recorded_signals.names


@pytest.mark.parametrize("value", ["10.01", "0.00"])
def test_claims__capture_of_more_than_was_authorised(shop: Shop, value: str) -> None:
    def change(resource: Event) -> None:
        resource["amount"]["value"] = value

    payment, state = delivered(shop, "PAYMENT.CAPTURE.COMPLETED", change, life_captured_later)
    assert state == "mismatched"
    assert_end(payment, ("waiting", "0", "0"))


def test_claims__a_part_of_what_is_taken_at_once(shop: Shop) -> None:
    def change(resource: Event) -> None:
        resource["amount"]["value"] = "4.00"
        # As if an authorisation had been captured, where none was asked for.
        resource["supplementary_data"]["related_ids"]["authorization_id"] = "AU1"

    payment, state = delivered(shop, "PAYMENT.CAPTURE.COMPLETED", change)
    assert state == "mismatched"
    assert_end(payment, ("waiting", "0", "0"))


def test_claims__refund_of_more(shop: Shop) -> None:
    payment = shop.paid()
    event = shop.fake.refund(shop.capture_id(payment), "4.00")
    event["resource"]["amount"]["value"] = "10.01"
    assert shop.deliver(event) == ["mismatched"]
    assert_end(payment, ("confirmed", "10.00", "0"))


def test_claims__another_account(shop: Shop, settings: Any) -> None:
    payment = shop.approved()
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {
        "paypal-eu": (PAYPAL_PROVIDER, {"client_id": "eu", "webhook_id": "EU1"})
    }
    answer = shop.post(shop.fake.events[-1], webhook_id="EU1")
    assert answer.json()["state"] == "mismatched"
    assert_end(payment, ("waiting", "0", "0"))


def test_claims__payment_of_stripe(shop: Shop, user: Any) -> None:
    payment = make_payment(owner=user, transaction_id="cs_1", intent_id="pi_1")
    capture = {
        "id": "CA1",
        "status": "COMPLETED",
        "amount": {"currency_code": "USD", "value": "10.00"},
        "custom_id": payment.token,
    }
    assert shop.deliver(shop.fake.event("PAYMENT.CAPTURE.COMPLETED", "capture", capture)) == ["mismatched"]
    assert_end(payment, ("waiting", "0", "0"))


def test_claims__live_mode(shop: Shop, settings: Any) -> None:
    payment = shop.approved()
    type(payment).objects.update(livemode=True)
    assert shop.deliver(shop.fake.events[-1]) == ["mismatched"]


def test_handlers__leave_stripes_events_alone(paypal: FakePayPal) -> None:
    from django_stripe_gateway.webhooks.events import Event as StoredEvent
    from django_stripe_gateway.webhooks.inbox.run import run_handlers

    event = StoredEvent(id="evt_1", type="PAYMENT.CAPTURE.COMPLETED", provider="stripe", object={"id": "x"})
    assert run_handlers(event, {}) == WebhookState.IGNORED


@hypothesis_settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    resource=st.dictionaries(
        st.sampled_from("id status state amount custom_id custom links purchase_units supplementary_data".split()),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=12),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from("rel href value related_ids order_id payments".split()), inner)
            ),
            max_leaves=8,
        ),
    ),
    event_type=st.sampled_from(
        [
            "CHECKOUT.ORDER.APPROVED",
            "PAYMENT.CAPTURE.COMPLETED",
            "PAYMENT.AUTHORIZATION.CREATED",
            "PAYMENT.CAPTURE.REFUNDED",
            "PAYMENT.CAPTURE.REVERSED",
            "PAYMENT.SALE.COMPLETED",
        ]
    ),
    matches=st.booleans(),
)
def test_resources__of_any_shape(shop: Shop, resource: Event, event_type: str, matches: bool) -> None:
    payment = shop.waiting()
    if matches:
        resource = resource | {"custom_id": str(payment.token)}
    body = json.dumps(shop.fake.event(event_type, "x", resource)).encode()
    answer = shop.post(body)
    assert answer.status_code == 200
    assert answer.json()["state"] in ("unmatched", "mismatched")
    assert_end(payment, ("waiting", "0", "0"))


# The v1 API


@pytest.fixture
def old_payment(shop: Shop, user: Any) -> Any:
    """Return a payment that django-payments' own provider has made."""
    return make_payment(owner=user, variant="paypal", transaction_id="PAYID-LXYZ", gateway="PayPal")


def sale(payment: Any, **fields: Any) -> Event:
    return {
        "id": "SALE1",
        "state": "completed",
        "amount": {"total": "10.00", "currency": "USD", "details": {"subtotal": "10.00"}},
        "parent_payment": payment.transaction_id,
    } | fields


def test_sale(shop: Shop, old_payment: Any) -> None:
    event = shop.fake.event
    completed = event("PAYMENT.SALE.COMPLETED", "sale", sale(old_payment))
    part = sale(old_payment, id="RE1", sale_id="SALE1", amount={"total": "-4.00", "currency": "USD"})
    refunded = event("PAYMENT.SALE.REFUNDED", "refund", part)
    # A reversal may name the sale alone.
    rest = {"id": "RV1", "state": "completed", "sale_id": "SALE1", "amount": {"total": "-6.00", "currency": "USD"}}
    turned = event("PAYMENT.SALE.REVERSED", "sale", rest)
    assert shop.deliver(completed, refunded) == ["processed", "processed"]
    assert_end(old_payment, ("confirmed", "10.00", "4.00"))
    assert shop.deliver(turned) == ["processed"]
    assert_end(old_payment, ("refunded", "10.00", "10.00"))
    assert old_payment.intent_id == "SALE1"


def test_sale__by_our_token(shop: Shop, old_payment: Any) -> None:
    resource = sale(old_payment, parent_payment="PAYID-LXYZ", custom=str(old_payment.token))
    assert shop.deliver(shop.fake.event("PAYMENT.SALE.COMPLETED", "sale", resource)) == ["processed"]
    assert_end(old_payment, ("confirmed", "10.00", "0"))


@pytest.mark.parametrize("state", ["pending", "denied"])
def test_sale__not_paid(shop: Shop, old_payment: Any, state: str) -> None:
    resource = sale(old_payment, state=state)
    assert shop.deliver(shop.fake.event(f"PAYMENT.SALE.{state.upper()}", "sale", resource)) == ["processed"]
    assert_end(old_payment, ("waiting" if state == "pending" else "rejected", "0", "0"))


def test_sale__another_amount(shop: Shop, old_payment: Any) -> None:
    resource = sale(old_payment, amount={"total": "9.00", "currency": "USD"})
    assert shop.deliver(shop.fake.event("PAYMENT.SALE.COMPLETED", "sale", resource)) == ["mismatched"]
    assert_end(old_payment, ("waiting", "0", "0"))
