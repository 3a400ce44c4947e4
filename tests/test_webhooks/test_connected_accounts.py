"""Events of connected accounts: they reach those who asked for them, and never a row of an own account."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.models import Customer, PlanPricing, ProviderAccount, Subscription, WebhookEvent
from django_stripe_gateway.models.provider_accounts import known_accounts
from django_stripe_gateway.webhooks.events import Event, fetch_related_object
from django_stripe_gateway.webhooks.registry import FetchNeeded, handles
from tests.billing_factories import make_customer, make_pricing, make_subscription
from tests.factories import make_event, make_paid_payment, make_payment, refund_object, session_object
from tests.fake_stripe.keys import DEFAULT_ACCOUNT
from tests.fake_stripe.server import FakeStripe
from tests.test_webhooks.support import deliver, money_rows, post, row_of
from tests.test_webhooks.test_thin_twins import thin

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("stripe_server", "registry")]

OTHER = "acct_1Connected"


def rows() -> list[Any]:
    """Return all that such an event could change."""
    return [
        money_rows(),
        *(list(model.objects.order_by("pk").values()) for model in (Customer, PlanPricing, Subscription)),
    ]


def forged() -> list[dict[str, Any]]:
    """Return events with our own ids and tokens in them."""
    waiting, paid = make_payment(transaction_id="cs_1"), make_paid_payment(intent_id="pi_2")
    pricing = make_pricing(stripe_product_id="prod_1", stripe_price_id="price_1", is_active=True)
    customer = make_customer(provider_id="cus_1", default_payment_method="pm_1")
    make_subscription(customer, pricing=pricing, provider_id="sub_1")
    dispute = {"id": "du_1", "object": "dispute", "payment_intent": "pi_2", "status": "lost", "reason": "fraudulent"}
    subscription = {"id": "sub_1", "object": "subscription", "customer": "cus_1", "status": "canceled"}
    invoice = {"id": "in_1", "object": "invoice", "customer": "cus_1", "status": "paid", "currency": "usd"}
    return [
        make_event("checkout.session.completed", session_object(waiting)),
        make_event("refund.created", refund_object(paid, 300, payment_intent="pi_2")),
        make_event("charge.dispute.created", dispute | {"amount": 1000, "currency": "usd"}),
        make_event("product.deleted", {"id": "prod_1", "object": "product"}),
        make_event("price.updated", {"id": "price_1", "object": "price", "active": False}),
        make_event("customer.deleted", {"id": "cus_1", "object": "customer"}),
        make_event("payment_method.detached", {"id": "pm_1", "object": "payment_method"}),
        make_event("customer.subscription.deleted", subscription),
        make_event("invoice.paid", invoice | {"total": 0, "subtotal": 0, "amount_due": 0, "amount_paid": 0}),
    ]


@pytest.mark.parametrize("account", [OTHER, "acct_\0", {"id": "acct_1"}, ["acct_1"], 1, False, "x" * 300])
def test_snapshot_of_another_account__changes_nothing(account: Any) -> None:
    events = forged()
    before = rows()
    for event in events:
        assert deliver(event | {"account": account}).json()["state"] == "ignored", event["type"]
        assert row_of(event).reason == "about an account that is none of this site's"
    assert rows() == before
    assert not WebhookEvent.objects.filter(account_id="").exists()
    assert WebhookEvent.objects.stats().unmatched == 0


@pytest.mark.parametrize("context", [OTHER, f"{DEFAULT_ACCOUNT}/{OTHER}", {"a": 1}])
def test_thin_of_another_account__changes_nothing(context: Any, stripe_server: FakeStripe) -> None:
    payment = make_payment(transaction_id="cs_1")
    event = thin(make_event("checkout.session.completed", session_object(payment)), context=context)
    before = rows()
    stripe_server.forget_requests()
    assert deliver(event).json()["state"] == "ignored"
    assert rows() == before
    assert {request.path for request in stripe_server.requests} <= {"/v1/account"}


def unlearn() -> None:
    """Let nobody know whose the key is."""
    ProviderAccount.objects.all().delete()
    known_accounts.forget()


@pytest.mark.parametrize("names", [{"account": DEFAULT_ACCOUNT}, {"context": DEFAULT_ACCOUNT}])
def test_own_account(names: dict[str, str], stripe_server: FakeStripe) -> None:
    """As an endpoint of an organisation names it; the key's account is asked for once."""
    payment = make_payment(transaction_id="cs_1")
    unlearn()
    event = make_event("checkout.session.completed", session_object(payment)) | names
    assert deliver(event).json()["state"] == "processed"
    assert deliver({name: value for name, value in event.items() if name not in names}).json()["state"] == "processed"
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    assert [(row.account_id, row.variant) for row in WebhookEvent.objects.all()] == [("", "stripe")]
    deliver(make_event("customer.created", {"id": "cus_1"}) | names)
    assert [request.path for request in stripe_server.requests].count("/v1/account") == 1


def test_nobody_says_whose_the_key_is(stripe_server: FakeStripe, settings: Any, caplog: Any) -> None:
    """Then no account is taken for the own one."""
    payment = make_payment(transaction_id="cs_1")
    event = make_event("checkout.session.completed", session_object(payment)) | {"account": DEFAULT_ACCOUNT}
    unlearn()
    stripe_server.fault("GET", "/v1/account", kind="reset_before")
    assert deliver(event).status_code == 503
    assert not WebhookEvent.objects.exists()
    settings.STRIPE_GATEWAY_ACCOUNT_ID = ""
    digest = stripe_account("stripe").key_digest
    ProviderAccount.objects.create(variant="stripe", key_digest=digest, asked=timezone.now())
    assert deliver(event).json()["state"] == "ignored"
    assert "STRIPE_GATEWAY_ACCOUNT_ID" in caplog.text
    payment.refresh_from_db()
    assert payment.status == "waiting"


def test_handlers_of_hosts() -> None:
    own: list[str] = []
    connected: list[Event] = []
    handles("account.updated", "payment_intent.*")(lambda event: own.append(event.id))
    handles("account.updated", "payment_intent.*", connect=True)(connected.append)
    ours = make_event("account.updated", {"id": DEFAULT_ACCOUNT, "object": "account"})
    theirs = make_event("account.updated", {"id": OTHER, "object": "account"}, account=OTHER)
    for event in (ours, theirs):
        assert deliver(event).json()["state"] == "processed"
    assert own == [ours["id"]]
    assert [(event.id, event.account_id) for event in connected] == [(theirs["id"], OTHER)]
    assert row_of(theirs).account_id == OTHER


def test_what_is_fetched_is_theirs(stripe_server: FakeStripe) -> None:
    """Of a whole event with their account, of a thin one with its context."""

    @handles("customer.updated", connect=True)
    def note(event: Event) -> None:
        if event.fetched is None:
            raise FetchNeeded(lambda: fetch_related_object(event=event))

    deliver(make_event("customer.created", {"id": "cus_1"}, account=OTHER))
    stripe_server.forget_requests()
    event = make_event("customer.updated", {"id": "cus_9", "object": "customer"}, account=OTHER)
    assert deliver(event).status_code == 500
    deliver(thin(event, context=f"{DEFAULT_ACCOUNT}/{OTHER}", id="evt_2"))
    sent = [(request.path, request.stripe_account, request.stripe_context) for request in stripe_server.requests]
    assert sent == [("/v1/customers/cus_9", OTHER, None), ("/v1/customers/cus_9", None, f"{DEFAULT_ACCOUNT}/{OTHER}")]


def variants(settings: Any, **options: Any) -> None:
    """Let another variant have the key of the connected account."""
    provider = "django_stripe_gateway.providers.StripeProvider"
    settings.PAYMENT_VARIANTS = {
        "stripe": (provider, {"account_id": DEFAULT_ACCOUNT} | options),
        "branch": (provider, {"api_key": "sk_test_branch", "endpoint_secret": "whsec_branch", "account_id": OTHER}),
    }


def test_account_of_another_variant__by_a_connect_endpoint(settings: Any, stripe_server: FakeStripe) -> None:
    """It may speak for that very account, and is the same event as that account's own endpoint brings."""
    stripe_server.add_key("sk_test_branch", OTHER)
    variants(settings, connect_endpoint_secret="whsec_connect")
    theirs = make_payment(variant="branch", transaction_id="cs_1", account_id=OTHER)
    ours = make_payment(variant="stripe", transaction_id="cs_2", account_id=DEFAULT_ACCOUNT)
    event = make_event("checkout.session.completed", session_object(theirs))
    assert deliver(event | {"account": OTHER}, secret="whsec_connect").json()["state"] == "processed"
    assert deliver(event, secret="whsec_branch").json()["state"] == "processed"
    assert [(row.variant, row.account_id) for row in WebhookEvent.objects.all()] == [("branch", "")]
    forged = make_event("checkout.session.completed", session_object(ours), account=OTHER)
    assert deliver(forged, secret="whsec_connect").json()["state"] == "mismatched"
    ours.refresh_from_db()
    theirs.refresh_from_db()
    assert (ours.status, theirs.status) == ("waiting", "confirmed")


def test_account_of_another_variant__without_a_connect_endpoint(settings: Any, stripe_server: FakeStripe) -> None:
    """Whoever knows the secret of one account speaks for no other."""
    stripe_server.add_key("sk_test_branch", OTHER)
    variants(settings)
    theirs = make_payment(variant="branch", transaction_id="cs_1", account_id=OTHER)
    event = make_event("checkout.session.completed", session_object(theirs), account=OTHER)
    assert deliver(event).json()["state"] == "ignored"
    theirs.refresh_from_db()
    assert theirs.status == "waiting"


def test_register(stripe_server: FakeStripe, settings: Any) -> None:
    url = "https://shop.example.com/hook/"
    settings.STRIPE_GATEWAY_WEBHOOK_UNHANDLED = ["account.*"]
    with pytest.raises(CommandError, match="Nobody handles events of connected accounts"):
        call_command("register_webhook_endpoint", "--connect", url=url, stdout=StringIO())
    handles("account.updated", connect=True)(lambda event: None)
    printed = StringIO()
    for _run in range(2):
        call_command("register_webhook_endpoint", url=url, stdout=StringIO())
        call_command("register_webhook_endpoint", "--connect", url=url, stdout=printed)
    made = {tuple(one["enabled_events"]): one for one in stripe_server.all("webhook_endpoint")}
    assert len(made) == 2
    assert made[("account.updated",)]["metadata"] == {"django_stripe_gateway": "connect"}
    asked = [r.params.get("connect") for r in stripe_server.requests if r.method == "POST" and "endpoints" in r.path]
    assert asked == [None, True]
    assert "connect_endpoint_secret" in printed.getvalue()
    assert post(b"{}").status_code == 400
