"""A whole payment on a seller's account: made, paid, captured, given back, disputed and looked after there."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from payments import RedirectNeeded

from django_stripe_gateway import payments
from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.exceptions import IdempotencyKeyReused, ProviderUnavailable
from django_stripe_gateway.gateways.stripe import calls
from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.models import ConnectedAccount, Payment, WebhookEvent
from django_stripe_gateway.services.disputes import reconcile_disputes
from django_stripe_gateway.services.payments.verify import verify_payments
from tests.factories import make_paid_payment
from tests.fake_stripe import connecting
from tests.fake_stripe.keys import DEFAULT_ACCOUNT
from tests.fake_stripe.server import FakeStripe
from tests.test_direct_charges.support import CONNECT, bring, sell

pytestmark = pytest.mark.django_db(transaction=True)


def accounts_asked(server: FakeStripe) -> set[tuple[str, str | None]]:
    """Return which part of the API was asked in whose name."""
    return {(request.path.split("/")[2], request.stripe_account) for request in server.requests}


def test_paid_on_a_page(platform: FakeStripe, anna: ConnectedAccount) -> None:
    platform.forget_requests()
    payment = sell(anna)
    assert payment.variant == f"stripe:{anna.provider_id}"
    assert (payment.account_id, payment.gateway) == (anna.provider_id, "Stripe")
    assert accounts_asked(platform) == {("checkout", anna.provider_id)}
    events = platform.complete_checkout(payment.transaction_id)
    assert {event["account"] for event in events} == {anna.provider_id}
    assert set(bring(events)) <= {"processed", "ignored"}
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    rows = WebhookEvent.objects.filter(state="processed").values_list("variant", "account_id").distinct()
    assert set(rows) == {(payment.variant, anna.provider_id)}
    assert Payment.objects.of_configured_account().get() == payment


@pytest.mark.parametrize("flow", ["checkout", "intent"])
def test_looked_after(platform: FakeStripe, anna: ConnectedAccount, settings: Any, flow: str) -> None:
    """Everything that is done with a payment goes to its account."""
    options = {"direct_charges": True, "flow": flow, "connect_endpoint_secret": CONNECT}
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, options)}
    held = sell(anna, capture_method="manual")
    if flow == "checkout":
        platform.complete_checkout(held.transaction_id)
    else:
        payments.confirm_payment(payment=held, payment_method="pm_card_visa")
    platform.forget_requests()
    assert payments.sync_payment(payment=held).status == "preauth"
    paid = payments.capture_payment(payment=held, amount=Decimal(8))
    refund = payments.refund_payment(payment=paid, amount=Decimal(3))
    assert refund.status == "succeeded"
    other = sell(anna)
    assert payments.cancel_payment(payment=other).status == "cancelled"
    assert {asked for _path, asked in accounts_asked(platform)} == {anna.provider_id}
    (checked, _) = verify_payments(ask=10)
    assert (checked.is_asked, checked.silence, checked.violations) == (True, "", [])


def test_events_of_refunds_and_disputes(platform: FakeStripe, anna: ConnectedAccount) -> None:
    payment = sell(anna)
    platform.complete_checkout(payment.transaction_id)
    payment = payments.sync_payment(payment=payment)
    assert "processed" in bring(platform.dashboard_refund(payment.intent_id, 300))
    assert "processed" in bring(platform.dispute(payment.intent_id, 700))
    payment.refresh_from_db()
    assert (payment.refunded_amount, payment.fraud_status) == (3, "review")
    assert payment.disputes.of_configured_account().get().variant == payment.variant


def test_reconcile(platform: FakeStripe, anna: ConnectedAccount, bert: ConnectedAccount) -> None:
    """What no event has told of is found out, on each seller's account."""
    theirs, his, ours = sell(anna), sell(bert), sell(None)
    for payment in (theirs, his, ours):
        platform.complete_checkout(payment.transaction_id)
    outcomes = [found.outcome for found in payments.reconcile_payments(older_than=timedelta(0))]
    assert outcomes == ["changed"] * 3
    for payment in (theirs, his, ours):
        payment.refresh_from_db()
        platform.dispute(payment.intent_id)
    platform.forget_requests()
    assert [found.outcome for found in reconcile_disputes(older_than=timedelta(0))] == ["changed"] * 3
    asked = {request.stripe_account for request in platform.requests if request.path == "/v1/disputes"}
    assert asked == {None, anna.provider_id, bert.provider_id}


def test_lost_answer(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """A repeat under the same key finds what the first one has made, on the account."""
    platform.fault("POST", "/v1/checkout/sessions", kind="reset_after")
    with pytest.raises(ProviderUnavailable):
        sell(anna, idempotency_key="k")
    payment = sell(anna, idempotency_key="k")
    assert [session["id"] for session in platform.all("checkout.session")] == [payment.transaction_id]


def test_django_payments(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """Hosts that call the model's own methods end in the same services."""
    payment = Payment.objects.create(variant=f"stripe:{anna.provider_id}", total=10, currency="USD")
    with pytest.raises(RedirectNeeded):
        payment.get_form()
    payment.refresh_from_db()
    assert payment.account_id == anna.provider_id
    platform.complete_checkout(payment.transaction_id)
    payment = payments.sync_payment(payment=payment)
    payment.refund(Decimal(2))
    assert payment.refunded_amount == 2


def test_clients(platform: FakeStripe, anna: ConnectedAccount, bert: ConnectedAccount, monkeypatch: Any) -> None:
    """Each account has its client, on one pool of connections; no more than some are kept."""
    accounts = [stripe_account(f"stripe:{one.provider_id}") for one in (anna, bert)]
    ours, hers, his = (calls.pool.get(account) for account in (stripe_account("stripe"), *accounts))
    assert len({id(client) for client in (ours, hers, his)}) == 3
    assert calls.pool.get(accounts[0]) is hers
    before = platform.connections
    for client in (ours, hers, his):
        client.v1.checkout.sessions.list()
    assert platform.connections <= before + 1
    monkeypatch.setattr(calls, "MOST_SELLERS", 1)
    assert calls.pool.get(accounts[0]) is hers
    assert calls.pool.get(accounts[1]) is not his


def test_organisation(platform: FakeStripe, anna: ConnectedAccount, settings: Any) -> None:
    """With an organisation's key the path to a seller leads through the platform."""
    key = "sk_org_test_" + "a" * 24
    platform.add_key(key, account=DEFAULT_ACCOUNT)
    options = {"direct_charges": True, "api_key": key, "context": DEFAULT_ACCOUNT, "endpoint_secret": "whsec_org"}
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, options)}
    platform.forget_requests()
    sell(anna)
    sent = platform.requests[-1]
    assert (sent.stripe_context, sent.stripe_account) == (f"{DEFAULT_ACCOUNT}/{anna.provider_id}", None)


def test_key__of_a_seller_who_is_not_payable_any_more(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """The key comes first, as with every verb."""
    payment = sell(anna, idempotency_key="order-17")
    platform.act(
        anna.provider_id or "", lambda scope, account: connecting.require(scope, account, "individual.id_number")
    )
    payments.sync_connected_account(account=anna)
    assert sell(anna, idempotency_key="order-17").pk == payment.pk


def test_key__of_another_account(anna: ConnectedAccount, bert: ConnectedAccount) -> None:
    """Nobody is sent to one seller's page for what they buy of another."""
    sell(anna, idempotency_key="order-17")
    for account in (bert, None):
        with pytest.raises(IdempotencyKeyReused):
            sell(account, idempotency_key="order-17")


def test_verified_without_a_question_for_each(anna: ConnectedAccount) -> None:
    """Whether a seller is connected is asked once for all of their payments in a batch."""
    counts = []
    for number in range(4):
        values = {"variant": f"stripe:{anna.provider_id}", "account_id": anna.provider_id}
        make_paid_payment(intent_id=f"pi_{number}", transaction_id=f"cs_{number}", **values)
        with CaptureQueriesContext(connection) as seen:
            assert not any(checked.violations for checked in verify_payments())
        counts.append(len(seen))
    assert counts == [counts[0]] * 4
