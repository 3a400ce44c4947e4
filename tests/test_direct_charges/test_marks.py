"""A payment's mark proves nothing on a seller's account: an intent is the payment's if the payment's page says so."""

from __future__ import annotations

from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from django_stripe_gateway import payments
from django_stripe_gateway.exceptions import GatewayError, WrongState
from django_stripe_gateway.models import ConnectedAccount, Payment, WebhookEvent
from tests.factories import intent_object, make_event, session_object
from tests.fake_stripe import refunding
from tests.fake_stripe.server import FakeStripe
from tests.test_direct_charges.support import bring, sell

pytestmark = pytest.mark.django_db(transaction=True)

FEE = Decimal("1.50")


def mark(payment: Any) -> dict[str, str]:
    """Return what our calls have written on a payment's objects, as its seller reads it there."""
    attempt = payment.operations.latest("pk").pk
    return {"token": payment.token, "payment_id": str(payment.pk), "attempt": str(attempt)}


def events_of(platform: FakeStripe, account: ConnectedAccount) -> list[dict[str, Any]]:
    """Return what has happened on a seller's account."""
    return [event for event in platform.events() if event.get("account") == account.provider_id]


@pytest.mark.parametrize("kind", ["succeeded", "requires_capture", "processing", "requires_action"])
def test_intent_with_a_fee_for_another_platform(platform: FakeStripe, anna: ConnectedAccount, kind: str) -> None:
    """A seller who has a platform of their own lets that take as much as ours would have."""
    payment = sell(anna, application_fee=FEE)
    forged = intent_object(payment, kind, id="pi_of_mine", metadata=mark(payment))
    forged |= {"application_fee_amount": 150, "application": "ca_of_mine"}
    bring([make_event(f"payment_intent.{kind}", forged) | {"account": anna.provider_id}])
    payment.refresh_from_db()
    assert (payment.status, payment.intent_id) == ("waiting", "")


def test_one_intent_pays_one_payment(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """The seller writes the mark of another order on an intent, before it is captured."""
    paid, other = (sell(anna, application_fee=FEE, capture_method="manual") for _number in range(2))
    platform.complete_checkout(paid.transaction_id)
    paid = payments.sync_payment(payment=paid)
    known = len(events_of(platform, anna))
    platform.act(paid.intent_id, lambda scope, intent: intent.update(metadata=mark(other)))
    payments.capture_payment(payment=paid)
    bring(events_of(platform, anna)[known:])
    other.refresh_from_db()
    assert (other.status, other.intent_id) == ("waiting", "")


def test_own_intents__before_the_page_is_heard_of(platform: FakeStripe, anna: ConnectedAccount) -> None:
    payment = sell(anna, application_fee=FEE)
    platform.complete_checkout(payment.transaction_id)
    (paid,) = [event for event in events_of(platform, anna) if event["type"] == "payment_intent.succeeded"]
    assert bring([paid]) == ["processed"]
    payment = Payment.objects.get(pk=payment.pk)
    assert (payment.status, payment.intent_id) == ("confirmed", paid["data"]["object"]["id"])


def test_own_intents__declined(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """The page goes on after a failure, and says nothing of it."""
    payment = sell(anna)
    platform.complete_checkout(payment.transaction_id, "pm_card_chargeDeclined")
    (failed,) = [event for event in events_of(platform, anna) if event["type"] == "payment_intent.payment_failed"]
    assert bring([failed]) == ["processed"]
    payment.refresh_from_db()
    assert (payment.status, payment.failure_code) == ("error", "card_declined")


def forged_page(payment: Any) -> dict[str, Any]:
    """Return the event of a page that the seller has made and marked, and let somebody pay."""
    page = session_object(payment, id="cs_of_mine", payment_intent="pi_of_mine", metadata=mark(payment))
    return make_event("checkout.session.completed", page) | {"account": payment.account_id}


def test_page_of_mine__while_ours_is_not_known(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """The answer that names our page is lost; then events wait for what the next attempt finds."""
    platform.fault("POST", "/v1/checkout/sessions", kind="reset_after")
    with pytest.raises(GatewayError):
        sell(anna, application_fee=FEE)
    (payment,) = Payment.objects.all()
    (page,) = platform.all("checkout.session")
    platform.complete_checkout(page["id"])
    paid = [event for event in events_of(platform, anna) if event["type"] == "checkout.session.completed"]
    assert bring([forged_page(payment), *paid]) == ["unmatched", "unmatched"]
    payment.refresh_from_db()
    assert (payment.status, payment.transaction_id) == ("waiting", "")
    call_command("reconcile", older_than=0, stdout=StringIO())
    payment.refresh_from_db()
    assert (payment.status, payment.transaction_id) == ("confirmed", page["id"])
    assert sorted(WebhookEvent.objects.filter(type="checkout.session.completed").values_list("state", flat=True)) == [
        "processed",
        "unmatched",
    ]


def test_page_of_mine__is_not_accepted_without_the_fee(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """It stands before staff as money that came beside the page, and looks like what was asked for."""
    payment = sell(anna, application_fee=FEE)
    his, theirs = sell(anna), mark(payment)

    def copy(scope: Any, session: dict[str, Any]) -> None:
        session |= {"metadata": theirs, "_payment_intent_data": {"metadata": theirs}}

    platform.act(his.transaction_id, copy)
    platform.complete_checkout(his.transaction_id)
    page_id = his.transaction_id
    # The seller's own page, which nobody here has made.
    his.operations.all().delete()
    Payment.objects.filter(pk=his.pk).update(transaction_id="cs_gone")
    (paid,) = [event for event in events_of(platform, anna) if event["type"] == "checkout.session.completed"]
    assert bring([paid]) == ["mismatched"]
    assert payment.unexpected.get().object_id == page_id
    with pytest.raises(WrongState, match="without the fee"):
        payments.accept_unexpected(payment=payment)
    payment.refresh_from_db()
    assert (payment.status, payment.application_fee) == ("waiting", FEE)


def test_page_of_mine__is_not_found_in_place_of_ours(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """The answer is lost, and before we look for the page its seller has made another one with the same marks."""
    platform.fault("POST", "/v1/checkout/sessions", kind="reset_after")
    with pytest.raises(GatewayError):
        sell(anna, application_fee=FEE)
    (page,) = platform.all("checkout.session")
    platform.act(page["id"], lambda scope, session: scope.add(session | {"id": "cs_test_of_mine"}))
    call_command("reconcile", older_than=0, stdout=StringIO())
    assert Payment.objects.get().transaction_id == page["id"]


def test_refund_of_mine__in_place_of_ours(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """A cent given back by the seller, with the mark of a refund that was not answered, settles no other amount."""
    payment = sell(anna)
    platform.complete_checkout(payment.transaction_id)
    payment = payments.sync_payment(payment=payment)
    platform.fault("POST", "/v1/refunds", kind="reset_before")
    with pytest.raises(GatewayError):
        payments.refund_payment(payment=payment, amount=Decimal(4))

    def give_back(scope: Any, intent: dict[str, Any]) -> None:
        marks = {"operation": str(payment.operations.latest("pk").pk), "token": payment.token}
        refunding.create(scope, scope.objects["charge"][intent["latest_charge"]], 1, metadata=marks)

    platform.act(payment.intent_id, give_back)
    refund = payments.refund_payment(payment=payment, amount=Decimal(4))
    assert (refund.status, refund.amount) == ("succeeded", Decimal(4))
    assert payments.sync_payment(payment=payment, with_refunds=True).refunded_amount == Decimal("4.01")
