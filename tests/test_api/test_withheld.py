"""What opens something is in no stored answer, and is asked for again when an answer is given again."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from payments import get_payment_model
from rest_framework.test import APIClient

from django_stripe_gateway.api import idempotency
from django_stripe_gateway.models import IdempotencyKey
from django_stripe_gateway.services.leaving.export import export_owner
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import act, assert_error, create
from tests.test_api.test_idempotency import KEY, Killed, assert_replayed, die

pytestmark = pytest.mark.django_db(transaction=True)


class TestClientSecret:
    def test_not_stored_and_given_again(self, intent_server: FakeStripe, api_client: APIClient) -> None:
        first = create(api_client, KEY)
        assert first.json()["client_secret"]
        assert first.json()["client_secret"] not in IdempotencyKey.objects.get().response_body
        assert_replayed(create(api_client, KEY), first)

    def test_provider_fails__repeat_later(self, intent_server: FakeStripe, api_client: APIClient) -> None:
        first = create(api_client, KEY)
        intent_server.fault("GET", "/v1/payment_intents/*", kind="error_500_before")
        assert_error(create(api_client, KEY), 502)
        assert_replayed(create(api_client, KEY), first)

    def test_repeat_that_carries_on_has_it(
        self, intent_server: FakeStripe, api_client: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(idempotency, "_store", die)
            with pytest.raises(Killed):
                create(api_client, KEY)
        again = create(api_client, KEY)
        assert again.status_code == 201
        intent = intent_server.all("payment_intent")[0]
        assert again.json()["client_secret"] == intent["client_secret"]

    def test_repeat_of_an_action_that_carries_on_has_it(
        self, intent_server: FakeStripe, api_client: APIClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shown = create(api_client).json()
        data = {"payment_method": "pm_card_threeDSecure2Required"}
        with monkeypatch.context() as patch:
            patch.setattr(idempotency, "_store", die)
            with pytest.raises(Killed):
                act(api_client, shown["payment_id"], "confirm_intent", data, KEY)
        again = act(api_client, shown["payment_id"], "confirm_intent", data, KEY).json()
        assert (again["requires_action"], again["client_secret"]) == (True, shown["client_secret"])


class TestActionUrl:
    """Where the bank asks the customer opens to whoever has it, and only for a while."""

    CARD: ClassVar[dict[str, str]] = {"payment_method": "pm_card_authenticationRequired"}

    def test_not_stored_and_given_again(self, intent_server: FakeStripe, api_client: APIClient, user: Any) -> None:
        shown = create(api_client).json()
        first = act(api_client, shown["payment_id"], "confirm_intent", self.CARD, KEY)
        assert first.json()["action_url"].startswith("http")
        assert first.json()["action_url"] not in IdempotencyKey.objects.get().response_body
        assert "action_url" not in str(export_owner(owner=user)["idempotency_keys"])
        intent_server.forget_requests()
        assert_replayed(act(api_client, shown["payment_id"], "confirm_intent", self.CARD, KEY), first)
        assert len(intent_server.requests) == 1

    def test_not_given_again_once_it_is_over(self, intent_server: FakeStripe, api_client: APIClient) -> None:
        shown = create(api_client).json()
        act(api_client, shown["payment_id"], "confirm_intent", self.CARD, KEY)
        intent_server.customer_authenticates(get_payment_model().objects.get().intent_id)
        again = act(api_client, shown["payment_id"], "confirm_intent", self.CARD, KEY)
        assert again["Idempotent-Replayed"] == "true"
        assert not again.json()["action_url"]
