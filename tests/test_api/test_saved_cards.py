"""Keep a card by the API, pay with it, and come back to confirm what was charged without its customer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from rest_framework.test import APIClient

from django_stripe_gateway.adapter import Adapter
from django_stripe_gateway.models import Customer, get_payment_model
from django_stripe_gateway.models.return_urls import sign_payment_id
from django_stripe_gateway.payments import charge, create_payment
from tests.factories import make_user
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import CREATE, ROOT, act, assert_error, body, create
from tests.test_services.test_saved_cards import saved_card

pytestmark = pytest.mark.django_db(transaction=True)

METHODS = f"{ROOT}subscriptions/payment_methods/"


def charged(user: Any, card: str = "pm_card_authenticationRequired") -> Any:
    """Return a payment that was charged without its customer."""
    saved_card(user, card)
    return charge(owner=user, amount=Decimal("25.00"), currency="USD", description="Usage")


def open_page(client: Client, url: str, method: str = "get", accept: str = "text/html") -> Any:
    return getattr(client, method)(urlsplit(url)._replace(scheme="", netloc="").geturl(), headers={"Accept": accept})


class TestSaving:
    def test_checkout(self, stripe_server: FakeStripe, api_client: APIClient, user: Any) -> None:
        assert create(api_client, save_payment_method=True).status_code == 201
        payment = get_payment_model().objects.get()
        stripe_server.complete_checkout(payment.transaction_id)
        (card,) = api_client.get(METHODS).json()["results"]
        assert card["last4"] == "4242"

    def test_intent__paid_again_with_it(
        self, intent_server: FakeStripe, api_client: APIClient, other_client: APIClient
    ) -> None:
        shown = create(api_client, save_payment_method=True, payment_method="pm_card_visa").json()
        assert act(api_client, shown["payment_id"], "confirm_intent").json()["status"] == "confirmed"
        (card,) = api_client.get(METHODS).json()["results"]
        again = create(api_client, payment_method=card["payment_method_id"]).json()
        assert act(api_client, again["payment_id"], "confirm_intent").json()["status"] == "confirmed"

        refused = create(other_client, payment_method=card["payment_method_id"])
        unknown = create(other_client, payment_method="pm_1NobodyHasThisOne")
        assert_error(refused, 400, "unknown_payment_method", "payment_method")
        assert refused.json() == unknown.json()
        theirs = create(other_client).json()
        at_confirm = act(
            other_client, theirs["payment_id"], "confirm_intent", {"payment_method": card["payment_method_id"]}
        )
        assert at_confirm.json() == unknown.json()

    def test_idempotent(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        first, again = (create(api_client, "k", save_payment_method=True).json() for _ in range(2))
        assert first == again
        assert len(stripe_server.all("checkout.session")) == 1

    def test_is_true_or_false(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        assert_error(create(api_client, save_payment_method="perhaps"), 400, "invalid", "save_payment_method")
        assert create(api_client, save_payment_method=False).status_code == 201
        assert not Customer.objects.exists()

    def test_who_may_not_charge_without_the_customer(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        assert_error(create(api_client, off_session=True), 400, "unknown_field", "off_session")


class TeamAdapter(Adapter):
    """Bills whom the request's header names."""

    def get_owner(self, request: Any) -> Any:
        named = request.headers.get("Team")
        return get_user_model().objects.get(pk=named) if named else request.user


class TestTeam:
    """What is named at the confirmation is of whom the user speaks for now, not of when the payment began."""

    @pytest.fixture(autouse=True)
    def _teams(self, settings: Any) -> None:
        settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.TeamAdapter"

    def confirm(self, client: APIClient, shown: dict[str, Any], card: str, team: str = "", key: str = "k") -> Any:
        headers = {"Team": team, "Idempotency-Key": key}
        path = f"{ROOT}payments/{shown['payment_id']}/confirm_intent/"
        return client.post(path, {"payment_method": card}, format="json", headers=headers)

    def begin(self, client: APIClient, team: Any, **fields: Any) -> dict[str, Any]:
        shown: dict[str, Any] = client.post(
            CREATE, body(**fields), format="json", headers={"Team": str(team.pk) if team else ""}
        ).json()
        return shown

    def test_who_has_left(self, intent_server: FakeStripe, api_client: APIClient, other_user: Any) -> None:
        card = saved_card(other_user)
        shown = self.begin(api_client, other_user, save_payment_method=True)
        refused = self.confirm(api_client, shown, card)
        assert_error(refused, 400, "unknown_payment_method", "payment_method")
        assert [found for found in intent_server.requests if found.path.endswith("/confirm")] == []
        assert self.confirm(api_client, shown, card, str(other_user.pk)).json()["status"] == "confirmed"

    def test_began_without_a_customer(self, intent_server: FakeStripe, api_client: APIClient, other_user: Any) -> None:
        card = saved_card(other_user)
        shown = self.begin(api_client, None)
        assert_error(self.confirm(api_client, shown, card), 400, "unknown_payment_method")
        assert self.confirm(api_client, shown, card, str(other_user.pk)).json()["status"] == "confirmed"
        payment = get_payment_model().objects.get()
        assert payment.provider_customer_id == Customer.objects.get(owner=other_user).provider_id

    def test_began_for_another(
        self, intent_server: FakeStripe, api_client: APIClient, user: Any, other_user: Any
    ) -> None:
        saved_card(other_user)
        card = saved_card(user)
        shown = self.begin(api_client, other_user, save_payment_method=True)
        assert_error(self.confirm(api_client, shown, card), 400, "unknown_payment_method")

    def test_repeated_for_another(self, intent_server: FakeStripe, api_client: APIClient, other_user: Any) -> None:
        """The payment is the user's own, whomever they speak for: its answer is given again."""
        card = saved_card(other_user)
        shown = self.begin(api_client, None)
        first = self.confirm(api_client, shown, card, str(other_user.pk))
        again = self.confirm(api_client, shown, card)
        assert (again.status_code, again.json()) == (200, first.json())
        assert again["Idempotent-Replayed"] == "true"


class TestConfirmationPage:
    def test_browser(self, stripe_server: FakeStripe, client: Client, user: Any) -> None:
        payment = charged(user)
        url = payment.get_confirmation_url()
        stripe_server.forget_requests()
        page = open_page(client, url)
        assert page.status_code == 200
        assert "25.00 USD" in page.content.decode()
        assert payment.client_secret not in page.content.decode()
        assert (page["Cache-Control"], page["Referrer-Policy"]) == ("private, no-store", "no-referrer")
        assert not [found for found in stripe_server.requests if found.method == "POST"]

        sent = open_page(client, url, "post")
        assert sent.status_code == 302
        bank = stripe_server.get(payment.intent_id)["next_action"]["redirect_to_url"]
        assert sent["Location"] == bank["url"]
        # Opened once more, it leads to the same place, and charges nobody twice.
        assert open_page(client, url, "post")["Location"] == bank["url"]
        stripe_server.customer_authenticates(payment.intent_id)
        back = open_page(client, bank["return_url"])
        assert "Payment received" in back.content.decode()
        payment.refresh_from_db()
        assert payment.status == "confirmed"
        assert "Payment received" in open_page(client, url).content.decode()
        done = open_page(client, url, "post")
        assert (done.status_code, urlsplit(done["Location"]).path) == (302, f"{ROOT}payments/{payment.pk}/success/")
        assert len(stripe_server.all("charge")) == 2, "the refused one, and the one that was confirmed"

    def test_json(self, stripe_server: FakeStripe, client: Client, user: Any) -> None:
        payment = charged(user)
        url = payment.get_confirmation_url()
        shown = open_page(client, url, accept="application/json").json()
        assert shown == {"payment_id": payment.pk, "status": "waiting", "amount": "25.00", "currency": "USD"}
        begun = open_page(client, url, "post", accept="application/json").json()
        assert begun["requires_action"]
        assert begun["client_secret"].startswith(payment.intent_id)
        assert begun["action_url"].startswith(stripe_server.url)

    def test_declined__is_tried_again(self, stripe_server: FakeStripe, client: Client, user: Any) -> None:
        with pytest.raises(Exception, match="declined"):
            charged(user, "pm_card_chargeCustomerFail")
        payment = get_payment_model().objects.get()
        url = payment.get_confirmation_url()
        assert "did not go through" in open_page(client, url).content.decode()
        assert open_page(client, url, "post").status_code == 302
        assert_error(open_page(client, url, "post", "application/json"), 402, "card_declined")

    def test_another_signature(self, stripe_server: FakeStripe, client: Client, user: Any) -> None:
        payment = charged(user)
        path = urlsplit(payment.get_confirmation_url()).path
        signature = parse_qs(urlsplit(payment.get_confirmation_url()).query)["signature"][0]
        other = get_payment_model().objects.create(variant="stripe", total=10, currency="USD")
        for query in ("", "?signature=", f"?signature={sign_payment_id(payment.pk)}"):
            for method in ("get", "post"):
                assert open_page(client, path + query, method).status_code == 404
        theirs = path.replace(f"/{payment.pk}/", f"/{other.pk}/")
        assert open_page(client, f"{theirs}?signature={signature}").status_code == 404
        success = urlsplit(payment.get_success_url()).path
        assert open_page(client, f"{success}?signature={signature}").status_code == 404

    def test_nothing_to_confirm(self, stripe_server: FakeStripe, client: Client, user: Any) -> None:
        payment = create_payment(owner=user, gateway="Stripe", amount=Decimal(10), currency="USD")
        url = payment.get_confirmation_url()
        assert open_page(client, url).status_code == 200
        assert_error(open_page(client, url, "post", "application/json"), 409, "wrong_state")


def test_its_owner_confirms_by_the_api(
    stripe_server: FakeStripe, api_client: APIClient, other_client: APIClient, user: Any
) -> None:
    payment = charged(user)
    shown = api_client.get(f"{ROOT}payments/{payment.pk}/").json()
    assert (shown["status"], shown["requires_action"]) == ("waiting", True)
    assert not {"client_secret", "action_url"} & set(shown)
    assert act(other_client, payment.pk, "confirm_intent").status_code == 404
    answer = act(api_client, payment.pk, "confirm_intent").json()
    assert (answer["requires_action"], answer["action_url"][:7]) == (True, "http://")
    stripe_server.customer_authenticates(payment.intent_id)
    assert act(api_client, payment.pk, "confirm_intent").status_code in (200, 409)
    assert len([found for found in stripe_server.all("charge") if found["status"] == "succeeded"]) == 1


def test_it_is_nobody_elses_list(stripe_server: FakeStripe, other_client: APIClient) -> None:
    saved_card(make_user())
    assert other_client.get(METHODS).json()["results"] == []
