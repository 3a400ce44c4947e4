"""Late news of earlier attempts, and the same news over several ways, raise no alarm."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.models import PaymentLog, UnexpectedPayment
from django_stripe_gateway.models.provider_accounts import known_accounts
from django_stripe_gateway.payments import start_payment, sync_payment
from tests.conftest import SignalRecorder
from tests.factories import make_event
from tests.fake_stripe.server import FakeStripe
from tests.test_webhooks.conftest import Shop
from tests.test_webhooks.support import deliver_all, money_rows, only
from tests.test_webhooks.test_order import IGNORED

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("generation")]


def of_sessions(shop: Shop, *types: str) -> list[Any]:
    return only([event for event in shop.fake.events() if event["type"] not in IGNORED], *types)


def assert_quiet(recorded: SignalRecorder) -> None:
    assert not recorded.values("payment_mismatch")
    assert not PaymentLog.objects.filter(event="mismatch").exists()
    assert not UnexpectedPayment.objects.exists()


@pytest.mark.parametrize("earlier", ["declined", "expired", "async"])
@pytest.mark.parametrize("is_reversed", [False, True])
def test_late_failure_of_an_earlier_page(
    shop: Shop, earlier: str, is_reversed: bool, recorded_signals: SignalRecorder
) -> None:
    payment = shop.payment()
    first = payment.transaction_id
    late = []
    if earlier == "async":
        shop.fake.complete_checkout(first, "async")
        late += shop.fake.settle_async(first, succeeded=False)
        late += only(shop.fake.events(), "checkout.session.completed", "payment_intent.processing")
    else:
        if earlier == "declined":
            late += shop.fake.complete_checkout(first, "pm_card_chargeDeclined")
        late += shop.fake.expire_session(first)
    payment = start_payment(payment=sync_payment(payment=payment))
    assert payment.transaction_id != first
    deliver_all(shop.fake.complete_checkout(payment.transaction_id))
    before = money_rows()
    late = [event for event in late if event["type"] not in IGNORED]
    states = deliver_all(reversed(late) if is_reversed else late)
    assert set(states) == {"processed"}
    assert money_rows() == before
    assert_quiet(recorded_signals)


def test_late_failure_within_the_page_that_was_paid(shop: Shop, recorded_signals: SignalRecorder) -> None:
    """A page can be tried several times; Stripe may use another intent for it."""
    payment = shop.paid()
    intent = shop.fake.get(payment.intent_id)
    failed = {**intent, "id": "pi_of_the_first_try", "status": "requires_payment_method", "amount_received": 0}
    failed["last_payment_error"] = {"code": "card_declined", "type": "card_error", "message": "No."}
    before = money_rows()
    assert deliver_all([make_event("payment_intent.payment_failed", failed)]) == ["processed"]
    assert money_rows() == before
    assert_quiet(recorded_signals)


def test_a_strangers_object_is_a_mismatch(shop: Shop, recorded_signals: SignalRecorder) -> None:
    """It has copied the token, and no attempt of ours has made it."""
    payment = shop.paid()
    intent = shop.fake.get(payment.intent_id)
    metadata = {"token": str(payment.token), "attempt": "999999"}
    stranger = {**intent, "id": "pi_strange", "status": "requires_payment_method", "metadata": metadata}
    assert deliver_all([make_event("payment_intent.payment_failed", stranger)]) == ["mismatched"]
    assert len(recorded_signals.values("payment_mismatch")) == 1
    assert not UnexpectedPayment.objects.exists()


def test_two_keys_of_one_account(
    shop: Shop, stripe_server: FakeStripe, settings: Any, recorded_signals: SignalRecorder
) -> None:
    """Each has an endpoint, and both deliver everything, in the shapes of other versions."""
    stripe_server.add_key("rk_test_second")
    provider, options = settings.PAYMENT_VARIANTS["stripe"]
    second = options | {"api_key": "rk_test_second", "endpoint_secret": "whsec_second"}
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {"second": (provider, second)}
    payment = shop.payment()
    events = shop.fake.complete_checkout(payment.transaction_id)
    events += shop.fake.dashboard_refund(shop.fake.get(payment.transaction_id)["payment_intent"], 400)
    events = [event for event in events if event["type"] not in IGNORED]
    assert set(deliver_all(events, secret="whsec_second")) == {"processed"}
    payment.refresh_from_db()
    assert (payment.status, payment.refunded_amount) == ("confirmed", 4)
    before = money_rows()
    assert set(deliver_all([event | {"api_version": "2024-06-20"} for event in events])) == {"processed"}
    assert money_rows() == before
    assert_quiet(recorded_signals)


def test_keys_of_two_accounts(
    shop: Shop, stripe_server: FakeStripe, settings: Any, recorded_signals: SignalRecorder
) -> None:
    stripe_server.add_key("sk_test_other", account="acct_other")
    provider, options = settings.PAYMENT_VARIANTS["stripe"]
    other = options | {"api_key": "sk_test_other", "endpoint_secret": "whsec_other"}
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {"other": (provider, other)}
    payment = shop.payment()
    events = shop.fake.complete_checkout(payment.transaction_id)
    states = deliver_all([one for one in events if one["type"] not in IGNORED], secret="whsec_other")
    assert set(states) == {"mismatched"}
    payment.refresh_from_db()
    assert payment.status == "waiting"
    known_accounts.forget()
