"""The admin of customers, subscriptions, invoices and what was asked about them."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_stripe_gateway.exceptions import ProviderUnavailable
from django_stripe_gateway.models import Invoice, Subscription
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription
from django_stripe_gateway.services.subscriptions.pause import pause_subscription
from tests.billing_factories import make_customer, make_plan, make_pricing, make_subscription
from tests.factories import make_user
from tests.fake_stripe import FakeStripe
from tests.test_admin.pages import own_url, run_action, shown_messages
from tests.test_billing.host import SubscriptionHost

pytestmark = pytest.mark.django_db(transaction=True)

LISTS = ["customer", "subscription", "invoice", "billingoperation", "catalogueoperation"]


@pytest.fixture
def subscription(stripe_server: FakeStripe, user: Any, api_client: Any) -> Subscription:
    """Return a subscription that is active at the fake Stripe."""
    return SubscriptionHost(stripe_server, user, api_client).subscribed()


@pytest.fixture
def billing_staff(client: Client) -> Callable[..., Client]:
    """Return a function that logs somebody in with permissions such as "change_subscription"."""

    def login(*codenames: str) -> Client:
        member = make_user(is_staff=True)
        found = Permission.objects.filter(codename__in=codenames, content_type__app_label="django_stripe_gateway")
        member.user_permissions.set(found)
        client.force_login(member)
        return client

    return login


def make_rows(count: int) -> None:
    """Make a row of each kind, and an owner and a plan for each."""
    for _number in range(count):
        subscription = make_subscription(make_customer(), pricing=make_pricing(make_plan()))
        Invoice.objects.create(
            customer=subscription.customer,
            subscription=subscription,
            variant="stripe",
            provider_id=f"in_{subscription.pk}",
            status="paid",
            currency="USD",
            total=Decimal(20),
        )
        subscription.operations.create(
            customer=subscription.customer, kind="cancel", state="succeeded", leased_until=subscription.created
        )
        subscription.plan.operations.create(
            pricing=subscription.pricing, variant="stripe", kind="create_price", leased_until=subscription.created
        )


def act(client: Client, name: str, subscription: Subscription) -> Any:
    """Open the page of an action and confirm it."""
    url = own_url("subscription", name, subscription.pk)
    opened = client.get(url)
    assert opened.status_code == 200
    response = client.post(url, {"key": str(opened.context["form"]["key"].value())}, follow=True)
    subscription.refresh_from_db()
    return response


@pytest.mark.parametrize("model", LISTS)
def test_list__number_of_queries_is_constant(admin_client: Client, model: str) -> None:
    counts = []
    for total in (2, 8):
        make_rows(total)
        with CaptureQueriesContext(connection) as queries:
            response = admin_client.get(own_url(model, "changelist"))
        assert len(response.context["cl"].result_list) == total if total == 2 else 10
        counts.append(len(queries))
    assert counts[0] == counts[1] <= (8 if connection.vendor != "mysql" else 9)


def test_pages__number_of_queries_is_constant(admin_client: Client) -> None:
    make_rows(1)
    subscription = Subscription.objects.get()
    pages = [
        own_url("subscription", "change", subscription.pk),
        own_url("customer", "change", subscription.customer_id),
    ]

    def count() -> list[int]:
        counts = []
        for page in pages:
            with CaptureQueriesContext(connection) as queries:
                assert admin_client.get(page).status_code == 200
            counts.append(len(queries))
        return counts

    count()  # Content types are asked for once.
    before = count()
    for number in range(5):
        make_subscription(subscription.customer)
        subscription.logs.create(event="updated")
        Invoice.objects.create(
            customer=subscription.customer, subscription=subscription, provider_id=f"in_x{number}", currency="USD"
        )
    assert count() == before


@pytest.mark.parametrize("model", LISTS)
def test_nothing_is_edited_by_hand(admin_client: Client, model: str) -> None:
    make_rows(1)
    row = apps.get_model("django_stripe_gateway", model).objects.get()
    page = own_url(model, "change", row.pk)
    assert admin_client.get(page).status_code == 200
    assert admin_client.post(page, {"status": "canceled"}).status_code == 403
    assert admin_client.get(own_url(model, "add")).status_code == 403
    assert admin_client.get(own_url(model, "delete", row.pk)).status_code == 403


def test_price_in_another_currency_than_the_catalogues(admin_client: Client, subscription: Subscription) -> None:
    """What Stripe charges in euros is not said to cost so many dollars."""
    pages = [own_url("subscription", "changelist"), own_url("subscription", "change", subscription.pk)]
    assert all(b"20.00" in admin_client.get(page).content for page in pages)
    subscription.items.update(currency="EUR", amount=None)
    shown = [admin_client.get(page).content.decode() for page in pages]
    assert all("EUR" in page and "USD / month" not in page for page in shown)
    subscription.items.update(amount=Decimal("18.00"))
    assert "18.00" in admin_client.get(pages[1]).content.decode()


def test_search(admin_client: Client) -> None:
    make_rows(2)
    wanted = Subscription.objects.latest("pk")
    customer = wanted.customer

    def found(model: str, term: Any) -> list[int]:
        response = admin_client.get(own_url(model, "changelist"), {"q": str(term)})
        return [row.pk for row in response.context["cl"].result_list]

    for term in (wanted.provider_id, customer.provider_id, f"in_{wanted.pk}", customer.owner.get_username()):
        assert found("subscription", term) == [wanted.pk], term
    for term in (customer.provider_id, wanted.provider_id, customer.owner.get_username()):
        assert found("customer", term) == [customer.pk], term
    for term in (f"in_{wanted.pk}", wanted.provider_id, customer.provider_id):
        assert found("invoice", term) == [wanted.invoices.get().pk], term
    assert found("billingoperation", wanted.provider_id) == [wanted.operations.get().pk]
    assert found("catalogueoperation", wanted.plan.slug) == [wanted.plan.operations.get().pk]


def test_filter__on_grace_period(admin_client: Client) -> None:
    cancelled = make_subscription(cancel_at_period_end=True)
    make_subscription()
    response = admin_client.get(own_url("subscription", "changelist"), {"state": "on_grace_period"})
    assert [row.pk for row in response.context["cl"].result_list] == [cancelled.pk]


def test_cancel_resume_and_end(admin_client: Client, subscription: Subscription, stripe_server: FakeStripe) -> None:
    response = act(admin_client, "cancel", subscription)
    assert subscription.cancel_at_period_end
    assert "ends on" in shown_messages(response)[0]
    response = act(admin_client, "resume", subscription)
    assert (subscription.cancel_at_period_end, subscription.is_valid) == (False, True)
    act(admin_client, "end", subscription)
    assert subscription.status == "canceled"
    assert stripe_server.get(str(subscription.provider_id))["status"] == "canceled"
    staff = {(log.source, log.actor) for log in subscription.logs.filter(source="admin")}
    assert staff == {("admin", f"user:{admin_client.session['_auth_user_id']}")}


def test_unpause(admin_client: Client, subscription: Subscription) -> None:
    pause_subscription(subscription=subscription)
    act(admin_client, "unpause", subscription)
    assert not subscription.is_paused


def test_the_page_offers_what_is_possible(admin_client: Client, subscription: Subscription) -> None:
    def offered() -> set[str]:
        response = admin_client.get(own_url("subscription", "change", subscription.pk))
        return {found["name"] for found in response.context["possible_actions"]}

    assert offered() == {"cancel", "end", "refund_rest", "sync", "give_up"}
    cancel_subscription(subscription=subscription)
    assert offered() == {"resume", "end", "refund_rest", "sync", "give_up"}
    cancel_subscription(subscription=subscription, at_period_end=False)
    assert offered() == {"sync"}
    response = admin_client.get(own_url("subscription", "resume", subscription.pk), follow=True)
    assert "does not allow" in shown_messages(response)[0]


def test_ask_the_provider(admin_client: Client, subscription: Subscription, stripe_server: FakeStripe) -> None:
    stripe_server.change_subscription(str(subscription.provider_id), {"cancel_at_period_end": "true"})
    run_action(admin_client, "sync_selected", subscription, url=own_url("subscription", "changelist"))
    subscription.refresh_from_db()
    assert subscription.cancel_at_period_end


def test_end_selected__asks_first_and_reports_each(admin_client: Client, subscription: Subscription) -> None:
    ended = make_subscription(status="canceled")
    url = own_url("subscription", "changelist")
    asked = run_action(admin_client, "end_selected", subscription, ended, url=url)
    assert [row["is_possible"] for row in asked.context["rows"]].count(True) == 1
    assert b"20.00 USD" in asked.content
    confirmed = {"confirmed": "yes", "key": str(asked.context["key"])}
    response = run_action(admin_client, "end_selected", subscription, ended, url=url, **confirmed)
    subscription.refresh_from_db()
    assert subscription.status == "canceled"
    assert sorted(message.level_tag for message in response.context["messages"]) == ["error", "success"]


def test_actions_need_the_permission_to_change_terms(
    billing_staff: Callable[..., Client], subscription: Subscription
) -> None:
    client = billing_staff("view_subscription", "change_subscription")
    assert client.get(own_url("subscription", "change", subscription.pk)).context["possible_actions"] == []
    assert client.post(own_url("subscription", "end", subscription.pk)).status_code == 403
    run_action(client, "end_selected", subscription, url=own_url("subscription", "changelist"), confirmed="yes")
    subscription.refresh_from_db()
    assert subscription.status == "active"
    act(billing_staff("view_subscription", "change_terms"), "end", subscription)
    assert subscription.status == "canceled"


def test_a_refusal_is_a_message(admin_client: Client, subscription: Subscription, stripe_server: FakeStripe) -> None:
    stripe_server.fault("POST", f"/v1/subscriptions/{subscription.provider_id}", kind="reset_before", times=10)
    response = act(admin_client, "cancel", subscription)
    assert response.status_code == 200
    assert [message.level_tag for message in response.context["messages"]] == ["warning"]
    stripe_server.clear_faults()


def test_resume_operation(admin_client: Client, subscription: Subscription, stripe_server: FakeStripe) -> None:
    path = f"/v1/subscriptions/{subscription.provider_id}"
    stripe_server.fault("POST", path, kind="reset_after", times=10)
    with pytest.raises(ProviderUnavailable):
        cancel_subscription(subscription=subscription)
    stripe_server.clear_faults()
    operation = subscription.operations.pending().get()
    run_action(admin_client, "resume_selected", operation, url=own_url("billingoperation", "changelist"))
    operation.refresh_from_db()
    subscription.refresh_from_db()
    assert (operation.state, subscription.cancel_at_period_end) == ("succeeded", True)


def test_catalogue_operations__who_may_resume_them(billing_staff: Callable[..., Client]) -> None:
    make_rows(1)
    for names, may_resume in (["change_plan"], False), (["resume_operation"], True):
        page = (
            billing_staff("view_catalogueoperation", *names)
            .get(own_url("catalogueoperation", "changelist"))
            .content.decode()
        )
        assert ("resume_selected" in page) is may_resume


def test_pay_invoice(
    billing_staff: Callable[..., Client], stripe_server: FakeStripe, user: Any, api_client: Any
) -> None:
    host = SubscriptionHost(stripe_server, user, api_client)
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.fake.advance(days=32)
    host.deliver_new()
    invoice = Invoice.objects.get(status="open")
    url = own_url("invoice", "pay", invoice.pk)
    assert billing_staff("view_invoice", "change_invoice").get(url).status_code == 403
    client = billing_staff("view_invoice", "change_terms")
    asked = client.get(url)
    body = {"key": str(asked.context["form"]["key"].value())}
    assert "declined" in shown_messages(client.post(url, body, follow=True))[0]
    host.change_card(subscription, "pm_card_visa")
    body = {"key": str(client.get(url).context["form"]["key"].value())}
    for _click in range(2):
        assert client.post(url, body, follow=True).status_code == 200
    assert Invoice.objects.get(pk=invoice.pk).is_paid
    assert len(host.fake.events("invoice.paid")) == 2
    sent = [request.params for request in host.fake.requests if request.path.endswith("/pay")]
    # The customer is not there to authenticate.
    assert [params["off_session"] for params in sent] == [True, True]
