"""Two tenants in one process: nothing of one is seen, changed or taken for known in the other."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from django_stripe_gateway.models import Customer, Payment, ProviderAccount, Subscription, WebhookEvent
from django_stripe_gateway.models.provider_accounts import known_accounts
from tests.billing_factories import make_plan
from tests.factories import make_user
from tests.fake_stripe import FakeStripe
from tests.test_billing.host import SubscriptionHost
from tests.test_middleware.tenants import TENANTS, drop_schemas, make_schemas, use
from tests.test_webhooks.support import deliver

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="schemas are PostgreSQL's"),
]


@pytest.fixture(autouse=True)
def _schemas(db: None, settings: Any) -> Iterator[None]:
    settings.MIDDLEWARE = ["tests.test_middleware.tenants.by_host", *settings.MIDDLEWARE]
    settings.ALLOWED_HOSTS = ["*"]
    settings.PAYMENT_HOST = ""
    settings.PAYMENT_USES_SSL = False
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS]
    make_schemas()
    yield
    drop_schemas()


def client_of(tenant: str) -> APIClient:
    """Return the client of a tenant's first customer: they have the same key everywhere."""
    use(tenant)
    user = make_user(username=f"ada-{tenant}")
    client = APIClient(SERVER_NAME=f"{tenant}.test")
    client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user).key}")
    use("")
    return client


def pay(client: APIClient, amount: str) -> dict[str, Any]:
    body = {"gateway": "Stripe", "amount": amount, "currency": "USD"}
    answer = client.post("/api/v1/payments/create_payment/", body, format="json", headers={"Idempotency-Key": "same"})
    assert answer.status_code == 201, answer.content
    return dict(answer.json())


def rows(tenant: str, model: Any, *fields: str) -> list[Any]:
    use(tenant)
    found = list(model.objects.order_by("pk").values_list(*fields))
    use("")
    return found


def test_payments(stripe_server: FakeStripe) -> None:
    clients = {tenant: client_of(tenant) for tenant in TENANTS}
    made = {"one": pay(clients["one"], "10.00"), "two": pay(clients["two"], "20.00")}
    assert made["one"]["payment_id"] == made["two"]["payment_id"]
    (session_one, session_two) = stripe_server.all("checkout.session")
    events = stripe_server.complete_checkout(session_one["id"])
    for event in events:
        # Delivered to the wrong tenant, and with the same ids and keys there.
        assert deliver(event, SERVER_NAME="two.test").json()["state"] in ("unmatched", "ignored", "mismatched")
    assert rows("two", Payment, "status") == [("waiting",)]
    for event in events:
        assert deliver(event, SERVER_NAME="one.test").json()["state"] in ("processed", "ignored")
    assert rows("one", Payment, "status", "total") == [("confirmed", Decimal(10))]
    assert rows("two", Payment, "status", "total") == [("waiting", Decimal(20))]
    assert rows("", Payment, "status") == []
    # The page of one's payment does not open the other's, which has the same key.
    page = urlsplit(session_one["success_url"])
    own = Client(SERVER_NAME="one.test").get(f"{page.path}?{page.query}", headers={"Accept": "application/json"})
    assert own.status_code in (200, 302)
    other = Client(SERVER_NAME="two.test").get(f"{page.path}?{page.query}", headers={"Accept": "application/json"})
    assert other.status_code == 404
    # A token of one is nobody's in the other.
    clients["one"].defaults["SERVER_NAME"] = "two.test"
    assert clients["one"].get("/api/v1/payments/").status_code == 401
    assert session_two["status"] == "open"


def test_accounts(stripe_server: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ACCOUNT_ID = ""
    known_accounts.forget()
    stripe_server.add_key("sk_test_two", account="acct_two")
    clients = {tenant: client_of(tenant) for tenant in TENANTS}
    pay(clients["one"], "10.00")
    # Each tenant's key, as the host's settings say for the request.
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_two"
    pay(clients["two"], "10.00")
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_fake"
    accounts = {tenant: rows(tenant, Payment, "account_id")[0][0] for tenant in TENANTS}
    assert accounts == {"one": "acct_1FakeStripe000000", "two": "acct_two"}
    assert [len(rows(tenant, ProviderAccount, "pk")) for tenant in TENANTS] == [1, 1]
    # Whose the other key is was read for a tenant whose table does not know it.
    known_accounts.forget()
    assert clients["one"].get("/api/v1/payments/").status_code == 200
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_two"
    use("one")
    assert known_accounts.get("stripe", "unknown") == ""
    use("two")
    ((digest,),) = ProviderAccount.objects.values_list("key_digest")
    assert known_accounts.get("stripe", digest) == "acct_two"
    use("")


def test_subscriptions(stripe_server: FakeStripe) -> None:
    clients = {tenant: client_of(tenant) for tenant in TENANTS}
    made = {}
    for tenant, client in clients.items():
        use(tenant)
        if tenant == "two":
            make_plan("other")
        host = SubscriptionHost(stripe_server, None, client)
        use("")
        made[tenant] = host.subscribe()
        host.fake.customer_pays(made[tenant]["subscription_id"], "pm_card_visa")
    for event in stripe_server.events():
        for tenant in TENANTS:
            assert deliver(event, SERVER_NAME=f"{tenant}.test").status_code == 200
    for tenant, client in clients.items():
        assert rows(tenant, Subscription, "provider_id", "status") == [(made[tenant]["subscription_id"], "active")]
        (found,) = client.get("/api/v1/subscriptions/status/").json()["results"]
        assert found["subscription_id"] == made[tenant]["subscription_id"]
        assert len(rows(tenant, Customer, "pk")) == 1
        assert not set(rows(tenant, WebhookEvent, "state")) & {("failed",)}
