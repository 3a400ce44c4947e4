"""Sellers' accounts in the admin: asked about on a page of their own, and from the list."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from django_stripe_gateway.models import ConnectedAccount
from django_stripe_gateway.payments import create_connected_account
from tests.fake_stripe import connecting
from tests.fake_stripe.server import FakeStripe
from tests.test_admin.pages import own_url, run_action, shown_messages

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(stripe_server: FakeStripe, user: Any) -> ConnectedAccount:
    """Return the account of a seller who has told the provider nothing yet."""
    return create_connected_account(owner=user, gateway="stripe", country="DE")


def test_ask__page(admin_client: Client, stripe_server: FakeStripe, account: ConnectedAccount) -> None:
    url = own_url("connectedaccount", "sync", account.pk)
    opened = admin_client.get(url)
    page = opened.content.decode()
    assert "Status: takes no payments" in page
    assert "Due now: business_profile.url, external_account" in page
    stripe_server.act(account.provider_id, connecting.onboard)
    done = admin_client.post(url, {"key": str(opened.context["form"]["key"].value())}, follow=True)
    assert shown_messages(done) == [f"Connected account {account.pk}: takes payments."]
    assert "Status: takes payments" in admin_client.get(url).content.decode()


def test_ask__not_made_yet(admin_client: Client, user: Any) -> None:
    account = ConnectedAccount.objects.create(owner=user, variant="stripe")
    answer = admin_client.get(own_url("connectedaccount", "sync", account.pk), follow=True)
    assert shown_messages(answer) == ["The status “takes no payments” does not allow this."]


def test_ask__list(admin_client: Client, account: ConnectedAccount) -> None:
    done = run_action(admin_client, "sync_selected", account, url=own_url("connectedaccount", "changelist"))
    assert shown_messages(done) == [f"Connected account {account.pk}: takes no payments."]


def test_page__tells_the_platform_from_the_seller(admin_client: Client, account: ConnectedAccount) -> None:
    page = admin_client.get(own_url("connectedaccount", "change", account.pk)).content.decode()
    assert page.count("Account:") == 1
    assert "Account of the platform:" in page
