"""Sellers with a Dashboard of their own write whatever they want on their accounts: it concerns nobody else's rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils import timezone

from django_stripe_gateway import payments
from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.models import (
    ConnectedAccount,
    Customer,
    Payment,
    PaymentGatewayConfig,
    PaymentLog,
    Subscription,
)
from django_stripe_gateway.services.subscriptions.client_references import client_reference
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.inbox.replay import replay_event
from django_stripe_gateway.webhooks.registry import handles
from tests.billing_factories import make_customer, make_pricing, make_subscription
from tests.factories import intent_object, make_event, make_paid_payment, make_payment, refund_object, session_object
from tests.fake_stripe import connecting
from tests.fake_stripe.server import FakeStripe
from tests.test_direct_charges.support import CONNECT, sell, seller
from tests.test_webhooks.support import deliver, row_of
from tests.test_webhooks.test_thin_twins import thin

pytestmark = pytest.mark.django_db(transaction=True)

Forge = Callable[[Any], dict[str, Any]]
WAITING: list[Forge] = [
    lambda payment: make_event("checkout.session.completed", session_object(payment)),
    lambda payment: make_event("checkout.session.completed", session_object(payment, id="cs_of_mine")),
    lambda payment: make_event("checkout.session.completed", session_object(payment, id="cs_of_mine", metadata={})),
    lambda payment: make_event("checkout.session.expired", session_object(payment, status="expired")),
    lambda payment: make_event("payment_intent.succeeded", intent_object(payment, id="pi_of_mine")),
    lambda payment: make_event("payment_intent.canceled", intent_object(payment, "canceled")),
]
PAID: list[Forge] = [
    lambda payment: make_event("refund.created", refund_object(payment, 300, payment_intent=payment.intent_id)),
    lambda payment: make_event(
        "charge.dispute.created",
        {"id": "du_1", "object": "dispute", "payment_intent": payment.intent_id, "status": "lost", "amount": 1000}
        | {"currency": "usd", "reason": "fraudulent", "metadata": {"token": payment.token}},
    ),
    lambda payment: make_event("payment_intent.payment_failed", intent_object(payment, "requires_payment_method")),
    lambda payment: make_event(
        "charge.refunded",
        {"id": "ch_1", "object": "charge", "payment_intent": payment.intent_id, "amount": 1000, "currency": "usd"}
        | {"amount_refunded": 1000, "refunded": True, "metadata": {"token": payment.token}},
    ),
]


def rows() -> list[Any]:
    """Return all that such an event could change, the log included."""
    return [list(model.objects.order_by("pk").values()) for model in (Payment, PaymentLog, Customer, Subscription)]


def others(victim: str, bert: ConnectedAccount) -> dict[str, Any]:
    """Return the columns of a payment of the platform's, or of another seller's."""
    if victim == "platform":
        return {}
    return {"variant": f"stripe:{bert.provider_id}", "account_id": bert.provider_id}


def forged(victim: dict[str, Any], account: str) -> Iterator[dict[str, Any]]:
    """Yield what a seller could let their account send, with the ids and tokens of a victim's payments."""
    for forge in WAITING:
        yield forge(make_payment(**victim)) | {"account": account}
        yield forge(make_payment(transaction_id=f"cs_{Payment.objects.count()}", **victim)) | {"account": account}
    for forge in PAID:
        yield forge(make_paid_payment(intent_id=f"pi_{Payment.objects.count()}", **victim)) | {"account": account}


@pytest.mark.parametrize("victim", ["platform", "another seller"])
def test_forged(anna: ConnectedAccount, bert: ConnectedAccount, victim: str) -> None:
    events = list(forged(others(victim, bert), anna.provider_id or ""))
    before = rows()
    for event in events:
        answer = deliver(event, secret=CONNECT)
        assert answer.status_code == 200, (event["type"], answer.content)
        assert answer.json()["state"] in ("ignored", "unmatched"), event["type"]
        assert row_of(event).variant == f"stripe:{anna.provider_id}"
    assert rows() == before


@pytest.mark.parametrize("victim", ["platform", "another seller"])
def test_forged__thin(platform: FakeStripe, anna: ConnectedAccount, bert: ConnectedAccount, victim: str) -> None:
    """What a thin event names is asked of the seller's account, where a victim's object is not."""
    payment = sell(None if victim == "platform" else bert)
    platform.complete_checkout(payment.transaction_id)
    (paid,) = platform.events("checkout.session.completed")
    before = rows()
    for context in (anna.provider_id, f"acct_1FakeStripe000000/{anna.provider_id}"):
        event = thin(paid, context=context, id=f"evt_{len(str(context))}")
        event.pop("account", None)
        platform.forget_requests()
        assert deliver(event, secret=CONNECT).status_code in (200, 500)
        named = {request.stripe_account or request.stripe_context for request in platform.requests}
        assert all(str(name).endswith(str(anna.provider_id)) for name in named)
    assert rows() == before


def test_real_objects_with_stolen_tokens(platform: FakeStripe, anna: ConnectedAccount, bert: ConnectedAccount) -> None:
    """Paid on the seller's account for the price of the victim's payment, with everything but the id copied."""
    ours, his = sell(None), sell(bert)

    def steal(scope: Any, session: dict[str, Any]) -> None:
        session["client_reference_id"] = victim.token
        session["metadata"] = {"token": victim.token, "payment_id": str(victim.pk)}
        session["payment_intent_data"] = {"metadata": dict(session["metadata"])}

    for victim in (ours, his):
        bait = sell(anna)
        platform.act(bait.transaction_id, steal)
        for event in platform.complete_checkout(bait.transaction_id):
            deliver(event, secret=CONNECT)
        victim.refresh_from_db()
        assert victim.status == "waiting"
        assert not victim.logs.filter(event="mismatch").exists()
        bait.refresh_from_db()
        # What was made by us on the account is what it is, whatever its seller has written on it.
        assert bait.status == "confirmed"


@pytest.mark.usefixtures("bert")
def test_platform_speaks_for_no_seller(anna: ConnectedAccount) -> None:
    payment = make_payment(variant=f"stripe:{anna.provider_id}", account_id=anna.provider_id, transaction_id="cs_1")
    event = make_event("checkout.session.completed", session_object(payment))
    assert deliver(event).json()["state"] == "mismatched"
    payment.refresh_from_db()
    assert payment.status == "waiting"


def test_nothing_but_payments(anna: ConnectedAccount, user: Any) -> None:
    """A page that sells a subscription on a seller's account gives nobody a plan of the platform's."""
    pricing = make_pricing(stripe_product_id="prod_1", stripe_price_id="price_1", is_active=True)
    customer = make_customer(provider_id="cus_1", default_payment_method="pm_1")
    subscription = make_subscription(customer, pricing=pricing, provider_id="sub_1")
    page = {"id": "cs_1", "object": "checkout.session", "status": "complete", "payment_status": "paid"}
    page |= {"customer": "cus_1", "subscription": "sub_1", "client_reference_id": client_reference(owner=user)}
    events = [
        make_event("checkout.session.completed", page | {"mode": "subscription"}),
        make_event("checkout.session.completed", page | {"mode": "setup", "setup_intent": "seti_1"}),
        make_event("invoice.paid", {"id": "in_1", "object": "invoice", "customer": "cus_1", "subscription": "sub_1"}),
        make_event("customer.subscription.deleted", {"id": "sub_1", "object": "subscription", "customer": "cus_1"}),
        make_event("customer.deleted", {"id": "cus_1", "object": "customer"}),
        make_event("payment_method.detached", {"id": "pm_1", "object": "payment_method"}),
    ]
    before = rows()
    for event in events:
        assert deliver(event | {"account": anna.provider_id}, secret=CONNECT).json()["state"] == "ignored"
    assert rows() == before
    subscription.refresh_from_db()
    assert subscription.status == "active"


def test_handlers_of_hosts(anna: ConnectedAccount) -> None:
    """Those for the own account do not get what sellers can forge; those for connected ones get it as ever."""
    own: list[str] = []
    connected: list[tuple[str, str]] = []
    handles("payment_intent.*")(lambda event: own.append(event.id))

    @handles("payment_intent.*", connect=True, variant="stripe")
    def note(event: Event) -> None:
        connected.append((event.variant, event.account_id))

    event = make_event("payment_intent.succeeded", {"id": "pi_1", "object": "payment_intent"})
    deliver(event | {"account": anna.provider_id}, secret=CONNECT)
    assert own == []
    assert connected == [(f"stripe:{anna.provider_id}", anna.provider_id)]


def test_disconnected_seller(platform: FakeStripe, anna: ConnectedAccount, bert: ConnectedAccount) -> None:
    """What still comes of a seller who has left changes nothing, not even of their own payments."""
    own = sell(anna)
    events = [
        *forged(others("platform", bert), anna.provider_id or ""),
        make_event("checkout.session.completed", session_object(own), account=anna.provider_id),
    ]
    (left,) = platform.act(anna.provider_id or "", connecting.leave)
    assert deliver(left, secret=CONNECT).json()["state"] == "processed"
    before = rows()
    for event in events:
        assert deliver(event, secret=CONNECT).json()["state"] == "ignored"
        assert row_of(event).variant == "stripe"
    assert rows() == before


@pytest.mark.parametrize("is_thin", [False, True])
def test_replayed_after_the_seller_has_left(platform: FakeStripe, anna: ConnectedAccount, is_thin: bool) -> None:
    """What was stored while they were connected is settled, and nobody is asked about it."""
    payment = sell(anna)
    platform.complete_checkout(payment.transaction_id)
    (paid,) = platform.events("checkout.session.completed")
    stored = thin(paid, context=anna.provider_id) if is_thin else paid
    assert deliver(stored, secret=CONNECT).json()["state"] == "processed"
    ConnectedAccount.objects.filter(pk=anna.pk).update(deauthorized=timezone.now())
    Payment.objects.update(status="waiting")
    platform.forget_requests()
    before = rows()
    replay_event(row_of(stored).pk)
    assert (row_of(stored).state, row_of(stored).reason) == ("ignored", "its seller is not connected any more")
    assert rows() == before
    assert not platform.requests


@pytest.mark.parametrize("livemode", [True, None, "false"])
def test_other_mode(anna: ConnectedAccount, livemode: Any) -> None:
    """An endpoint of one mode gets test events of connected accounts, too."""
    payment = sell(anna)
    event = make_event("checkout.session.completed", session_object(payment), account=anna.provider_id)
    assert deliver(event | {"livemode": livemode}, secret=CONNECT).json()["state"] == "ignored"
    payment.refresh_from_db()
    assert payment.status == "waiting"


def test_account_of_another_platform(
    platform: FakeStripe, settings: Any, anna: ConnectedAccount, other_user: Any
) -> None:
    """Each platform's sellers are its own: the endpoint of one says nothing of the other's."""
    platform.add_key("sk_test_second", "acct_1Second")
    options = {"api_key": "sk_test_second", "endpoint_secret": "whsec_2", "connect_endpoint_secret": "whsec_connect_2"}
    second = (STRIPE_PROVIDER, options | {"direct_charges": True})
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {"second": second}
    PaymentGatewayConfig.objects.create(name="Second", variant="second")
    theirs = seller(platform, other_user, "second")
    ours, hers, his = sell(None), sell(anna), sell(theirs, gateway="Second")
    assert his.variant == f"second:{theirs.provider_id}"
    for payment in (ours, hers):
        event = make_event("checkout.session.completed", session_object(payment), account=theirs.provider_id)
        before = rows()
        assert deliver(event, secret="whsec_connect_2").json()["state"] == "ignored"
        assert deliver(event | {"id": event["id"] + "_2"}, secret=CONNECT).json()["state"] == "ignored"
        assert rows() == before
    platform.complete_checkout(his.transaction_id)
    assert payments.sync_payment(payment=his).status == "confirmed"
