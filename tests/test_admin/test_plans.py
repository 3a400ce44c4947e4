"""Plans edited in the admin reach Stripe, once the edit is committed."""

from __future__ import annotations

import html
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.models import CatalogueOperation, Plan, PlanPricing
from django_stripe_gateway.services.catalogue.publish import push_plan
from tests.billing_factories import make_item, make_plan, make_pricing, make_subscription
from tests.fake_stripe import FakeStripe
from tests.test_admin.pages import own_url, run_action, shown_messages
from tests.test_admin.test_atomic_requests import atomic_requests, open_transaction

__all__ = ["atomic_requests", "open_transaction"]

pytestmark = pytest.mark.django_db(transaction=True)

PRICE = {
    "variant": "stripe",
    "amount": "20.00",
    "currency": "USD",
    "interval": "month",
    "interval_count": "1",
    "trial_days": "0",
    "usage_type": "licensed",
    "is_active": "on",
    "is_public": "on",
}

EUR, YEARLY = {"currency": "EUR"}, {"interval": "year"}


@pytest.fixture
def plan(stripe_server: FakeStripe) -> Plan:
    """Return a plan that Stripe sells."""
    plan = make_plan("gold", name="Gold")
    make_pricing(plan, stripe_price_id=None)
    push_plan(plan=plan)
    return plan


def form(plan: Plan | None = None, *prices: dict[str, str], **fields: str) -> dict[str, str]:
    """Return what a browser sends: the plan's fields, a change for each of its prices, and prices to add."""
    rows = list(plan.pricing.order_by("pk")) if plan else []
    data = {"name": "Gold", "slug": "gold", "auto_renew": "on", "is_active": "on", "position": "0"} | fields
    changes = [*prices, *[{}] * (len(rows) - len(prices))]
    data |= {
        "pricing-TOTAL_FORMS": str(len(changes)),
        "pricing-INITIAL_FORMS": str(len(rows)),
        "limits-TOTAL_FORMS": "0",
        "limits-INITIAL_FORMS": "0",
    }
    for number, change in enumerate(changes):
        values = PRICE | change
        if number < len(rows):
            values |= {"id": str(rows[number].pk), "plan": str(plan.pk if plan else "")}
        data |= {f"pricing-{number}-{name}": value for name, value in values.items() if value}
    return data


def save(client: Client, plan: Plan, *prices: dict[str, str], **fields: str) -> Any:
    """Submit the page of a plan."""
    return client.post(own_url("plan", "change", plan.pk), form(plan, *prices, **fields), follow=True)


def test_add(admin_client: Client, stripe_server: FakeStripe) -> None:
    body = form(None, {"currency": "eur", "amount": "9.5"}, description="All of it")
    response = admin_client.post(own_url("plan", "add"), body, follow=True)
    assert "2 changes made at Stripe." in shown_messages(response)
    row = PlanPricing.objects.get()
    (product,), (price,) = stripe_server.all("product"), stripe_server.all("price")
    assert (product["name"], product["description"]) == ("Gold", "All of it")
    assert (price["unit_amount"], price["currency"], price["id"]) == (950, "eur", row.stripe_price_id)
    assert (row.amount, row.currency) == (Decimal("9.5"), "EUR")


def test_rename(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    stripe_server.forget_requests()
    save(admin_client, plan, name="Gold and silver", slug="other")
    plan.refresh_from_db()
    assert (plan.name, plan.slug) == ("Gold and silver", "gold")
    assert [product["name"] for product in stripe_server.all("product")] == ["Gold and silver"]
    assert [request.path for request in stripe_server.requests if request.method == "POST"] == [
        f"/v1/products/{stripe_server.all('product')[0]['id']}"
    ]


def test_amount(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    old = PlanPricing.objects.get()
    subscription = make_subscription(pricing=old)
    save(admin_client, plan, {"amount": "25", "trial_days": "7"})
    old.refresh_from_db()
    subscription.refresh_from_db()
    new = PlanPricing.objects.get(is_active=True)
    assert (old.amount, old.is_active, old.trial_days, subscription.pricing) == (Decimal(20), False, 0, old)
    assert (new.amount, new.trial_days) == (Decimal(25), 7)
    assert stripe_server.get(new.stripe_price_id or "")["unit_amount"] == 2500
    assert not stripe_server.get(old.stripe_price_id or "")["active"]
    assert len(stripe_server.all("product")) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "1000000"},
        {"interval_count": "37"},
        {"interval": "year", "interval_count": "4"},
        {"trial_days": "731"},
    ],
)
def test_price_that_stripe_refuses(admin_client: Client, plan: Plan, change: dict[str, str]) -> None:
    response = save(admin_client, plan, change)
    assert " at most" in response.content.decode()
    assert PlanPricing.objects.get().is_active


def test_description_that_stripe_refuses(admin_client: Client, plan: Plan) -> None:
    response = save(admin_client, plan, description="x" * 40_001)
    assert "A description has 40000 characters at most." in response.content.decode()


def test_add_price_and_deactivate_the_other(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    old = PlanPricing.objects.get()
    save(admin_client, plan, {"is_active": ""}, {"interval": "year", "amount": "200"})
    assert not stripe_server.get(old.stripe_price_id or "")["active"]
    new = PlanPricing.objects.get(is_active=True)
    assert stripe_server.get(new.stripe_price_id or "")["recurring"]["interval"] == "year"


def test_deactivate(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    save(admin_client, plan, is_active="")
    assert [found["active"] for kind in ("price", "product") for found in stripe_server.all(kind)] == [False, False]


def test_stripe_fails(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    stripe_server.fault("POST", "/v1/prices", kind="error_500_before")
    response = save(admin_client, plan, {"amount": "25"})
    (message,) = [text for text in shown_messages(response) if "Stripe was not told" in text]
    assert message.endswith("Run “sync_plans --push”.")
    assert PlanPricing.objects.get(is_active=True).amount == Decimal(25)
    body = {"action": "push_selected", ACTION_CHECKBOX_NAME: [str(plan.pk)]}
    response = admin_client.post(own_url("plan", "changelist"), body, follow=True)
    assert shown_messages(response) == ["2 changes made at Stripe."]
    assert {price["unit_amount"]: price["active"] for price in stripe_server.all("price")} == {2000: False, 2500: True}


def test_resume(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    stripe_server.fault("POST", "/v1/prices", kind="reset_after")
    save(admin_client, plan, {"amount": "25"})
    (operation,) = CatalogueOperation.objects.pending()
    assert operation.params["origin"]["actor"].startswith("user:")
    run_action(admin_client, "resume_selected", operation, url=own_url("catalogueoperation", "changelist"))
    operation.refresh_from_db()
    row = PlanPricing.objects.get(is_active=True)
    assert (operation.state, operation.object_id) == ("succeeded", row.stripe_price_id)
    assert len(stripe_server.all("price")) == 2


def test_something_breaks(
    admin_client: Client, plan: Plan, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(**values: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("django_stripe_gateway.admin.plans.push_plan", fail)
    response = save(admin_client, plan, name="Silver")
    assert any("It failed unexpectedly" in text for text in shown_messages(response))
    assert Plan.objects.get().name == "Silver"
    assert "ZeroDivisionError" in caplog.text


def test_add_on_from_now_on(admin_client: Client, plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who pays for a plan beside it has that plan, also if Stripe cannot be told."""
    (gold,) = plan.pricing.all()
    support = make_pricing(make_plan("support", name="Support"), stripe_price_id="price_support")
    subscription = make_subscription(pricing=support, item_id="si_support")
    for number, pricing in enumerate((gold, support)):
        fields = {"pricing": pricing, "price_id": pricing.stripe_price_id, "amount": Decimal(number)}
        make_item(subscription, pricing.plan, provider_id=f"si_{pricing.plan.slug}", **fields)

    def fail(**values: Any) -> None:
        raise ProviderUnavailable

    monkeypatch.setattr("django_stripe_gateway.admin.plans.push_plan", fail)
    save(admin_client, support.plan, name="Support", slug="support", is_add_on="on")
    subscription.refresh_from_db()
    assert (subscription.plan, subscription.item_id) == (plan, "si_gold")
    assert subscription.items.get(pricing=support).kind == "add_on"


@pytest.mark.usefixtures("atomic_requests")
def test_atomic_requests(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    response = save(admin_client, plan, {"amount": "25"})
    assert "2 changes made at Stripe." in shown_messages(response)
    assert {price["unit_amount"] for price in stripe_server.all("price")} == {2000, 2500}


def test_middleware_transaction(admin_client: Client, plan: Plan, stripe_server: FakeStripe, settings: Any) -> None:
    settings.MIDDLEWARE = [f"{__name__}.open_transaction", *settings.MIDDLEWARE]
    save(admin_client, plan, {"amount": "25"})
    assert {price["unit_amount"] for price in stripe_server.all("price")} == {2000, 2500}
    body = {"action": "push_selected", ACTION_CHECKBOX_NAME: [str(plan.pk)]}
    response = admin_client.post(own_url("plan", "changelist"), body, follow=True)
    assert "a transaction is open" in shown_messages(response)[0]


def test_only_what_was_edited_is_written(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    with CaptureQueriesContext(connection) as queries:
        save(admin_client, plan, name="Silver")
    updates = [query["sql"] for query in queries if query["sql"].startswith("UPDATE") and "Silver" in query["sql"]]
    (update,) = [sql for sql in updates if Plan._meta.db_table == sql.split()[1].strip('`"')]
    assert "description" not in update
    table = PlanPricing._meta.db_table
    assert [sql for sql in (query["sql"] for query in queries) if sql.startswith("UPDATE") and table in sql] == []


@pytest.mark.parametrize(
    ("price", "sentence"),
    [
        ({"amount": "1.005"}, "USD amounts must be multiples of 0.01"),
        ({"amount": "-1"}, "must not be negative"),
        ({"currency": "XXX"}, "not a currency"),
        ({"variant": "paypal"}, "Select a valid choice"),
    ],
)
def test_refused(admin_client: Client, stripe_server: FakeStripe, price: dict[str, str], sentence: str) -> None:
    response = admin_client.post(own_url("plan", "add"), form(None, price))
    assert sentence in response.content.decode()
    assert not Plan.objects.exists()
    assert stripe_server.requests == []


def test_one_default(admin_client: Client, plan: Plan) -> None:
    make_plan("free", name="Free", is_default=True)
    assert "Free is the default plan" in save(admin_client, plan, is_default="on").content.decode()
    Plan.objects.filter(slug="free").delete()
    assert "must be active" in save(admin_client, plan, is_default="on", is_active="").content.decode()
    save(admin_client, plan, is_default="on")
    assert Plan.objects.default() == plan


@pytest.mark.parametrize(
    ("prices", "fields", "sentence"),
    [
        ([{"usage_type": "metered"}], {}, "A metered price needs a metric."),
        ([{"usage_type": "metered", "metric": "calls", "is_per_seat": "on"}], {}, "by use, not per seat"),
        ([{"is_default": "on", "is_public": ""}], {}, "The default price must be public."),
        ([{"trial_days": "3"}], {"is_add_on": "on"}, "An add-on has no trial"),
        ([{"trial_days": "3"}], {"auto_renew": ""}, "A plan that does not renew has no trial"),
        ([{"may_be_added": "on"}], {}, "Customers can add add-ons and metered prices only."),
        (
            [{"is_default": "on"}, {"is_default": "on", "interval": "year"}],
            {},
            "Only one price in USD can be the default",
        ),
        (
            [{"lookup_key": "a"}, {"lookup_key": "a", "interval": "year"}],
            {},
            "Only one price can have the lookup key a",
        ),
        ([{"lookup_key": "taken"}], {}, "A price of Gold has this lookup key."),
        ([], {"is_default": "on", "is_add_on": "on"}, "An add-on cannot be the default plan."),
        ([], {"auto_renew": "", "is_add_on": "on"}, "An add-on renews with the plan"),
    ],
)
def test_refused__together(
    admin_client: Client, plan: Plan, prices: list[dict[str, str]], fields: dict[str, str], sentence: str
) -> None:
    PlanPricing.objects.update(lookup_key="taken")
    response = admin_client.post(own_url("plan", "add"), form(None, *prices, slug="silver", **fields))
    assert sentence in html.unescape(response.content.decode())
    assert Plan.objects.count() == 1


@pytest.mark.parametrize(
    ("price", "fields"),
    [
        ({"trial_days": "3"}, {"is_add_on": "on"}),
        ({"may_be_added": "on"}, {}),
        ({"is_default": "on", "is_public": ""}, {}),
    ],
)
def test_archived_price__how_it_was_sold_stands_in_no_ones_way(
    admin_client: Client, plan: Plan, price: dict[str, str], fields: dict[str, str]
) -> None:
    """Nobody buys it any more; on sale again it is asked."""
    body = [price | {"is_active": ""}, {"interval": "year", "amount": "200"}]
    save(admin_client, plan, *body, name="Silver", **fields)
    assert Plan.objects.get().name == "Silver"
    assert PlanPricing.objects.filter(is_active=True, interval="year").exists()
    save(admin_client, plan, price, {"interval": "year", "amount": "200"}, name="Bronze", **fields)
    assert Plan.objects.get().name == "Silver"


def test_push__says_that_nothing_was_to_be_done(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    stripe_server.forget_requests()
    make_plan("empty", name="Empty")
    body = {"action": "push_selected", ACTION_CHECKBOX_NAME: [str(row.pk) for row in Plan.objects.all()]}
    response = admin_client.post(own_url("plan", "changelist"), body, follow=True)
    said = sorted(shown_messages(response))
    assert said == [f"{name}: nothing was to be changed at Stripe." for name in ("Empty", "Gold")]
    assert {request.method for request in stripe_server.requests} == {"GET"}


def test_one_default__of_each_currency_on_sale(admin_client: Client, plan: Plan) -> None:
    PlanPricing.objects.update(is_default=True)
    save(admin_client, plan, {"is_active": "", "is_default": "on"}, {"is_default": "on"}, {"is_default": "on"} | EUR)
    sold = PlanPricing.objects.filter(is_active=True).values_list("currency", "is_default")
    assert sorted(sold) == [("EUR", True), ("USD", True)]
    default = {"is_default": "on"}
    response = save(admin_client, plan, {"is_active": ""}, default, default | EUR, default | YEARLY)
    assert "Only one price in USD can be the default" in response.content.decode()


def test_pulled_price__made_public(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    PlanPricing.objects.update(is_public=False)
    stripe_server.forget_requests()
    save(admin_client, plan, {"is_public": "on"})
    assert PlanPricing.objects.get().is_public
    assert {request.method for request in stripe_server.requests} == {"GET"}


def test_price_by_use(admin_client: Client, plan: Plan, stripe_server: FakeStripe) -> None:
    by_use = {"usage_type": "metered", "metric": "calls", "amount": "0.0004"}
    save(admin_client, plan, {}, by_use)
    row = PlanPricing.objects.get(usage_type="metered")
    assert stripe_server.get(row.stripe_price_id or "")["unit_amount_decimal"] == "0.04"
    page = admin_client.get(own_url("plan", "change", plan.pk)).content.decode()
    assert 'value="0.0004"' in page
    assert 'value="20"' in page


def test_delete(admin_client: Client, plan: Plan) -> None:
    assert admin_client.get(own_url("plan", "delete", plan.pk)).status_code == 403
    other = make_plan("other")
    admin_client.post(own_url("plan", "delete", other.pk), {"post": "yes"})
    assert list(Plan.objects.all()) == [plan]


def test_list(admin_client: Client, plan: Plan) -> None:
    counts = []
    for _round in range(2):
        make_pricing(make_plan())
        make_pricing(make_plan())
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(own_url("plan", "changelist"))
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 8
    assert "20.00 USD / month" in response.content.decode()
