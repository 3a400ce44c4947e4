"""``Idempotency-Key``."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.utils import timezone
from payments import get_payment_model
from rest_framework.test import APIClient

from django_stripe_gateway.api import idempotency
from django_stripe_gateway.exceptions import IdempotencyKeyReused
from django_stripe_gateway.models import IdempotencyKey, PaymentOperation
from django_stripe_gateway.services.operations import engine
from tests.fake_stripe.server import FakeStripe
from tests.test_api.calls import CREATE, ROOT, act, assert_error, body, create, post

pytestmark = pytest.mark.django_db(transaction=True)

KEY = "8f14e45f-ceea-467f-a9f0-1c3f2b0d7e52"


class Killed(BaseException):
    """The process ends here."""


def age(seconds: float) -> None:
    """Make every key older."""
    IdempotencyKey.objects.update(created=timezone.now() - timedelta(seconds=seconds))


def run_out_leases() -> None:
    """Let the time pass in which a dead process might still have been waiting for an answer."""
    PaymentOperation.objects.pending().update(leased_until=timezone.now() - timedelta(seconds=1))


def assert_replayed(answer: Any, first: Any) -> None:
    """Check that ``answer`` is ``first`` again."""
    assert answer["Idempotent-Replayed"] == "true"
    assert (answer.status_code, answer.json()) == (first.status_code, first.json())
    assert not first.has_header("Idempotent-Replayed")


class TestReplay:
    def test_create(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        first = create(api_client, KEY, metadata={"a": 1.5})
        asked = len(stripe_server.requests)
        assert_replayed(create(api_client, KEY, metadata={"a": 1.5}), first)
        assert get_payment_model().objects.count() == 1
        assert len(stripe_server.requests) == asked

    def test_without_a_key__two_payments(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        assert create(api_client).json()["payment_id"] != create(api_client).json()["payment_id"]

    @pytest.mark.parametrize(
        ("action", "data"),
        [
            ("capture_payment", {"amount": "4.50"}),
            ("capture_intent", {}),
            ("cancel_payment", {}),
        ],
    )
    def test_of_an_authorisation(
        self, intent_server: FakeStripe, api_client: APIClient, preauthorized: Any, action: str, data: Any
    ) -> None:
        first = act(api_client, preauthorized["payment_id"], action, data, KEY)
        assert first.status_code == 200
        asked = len(intent_server.requests)
        assert_replayed(act(api_client, preauthorized["payment_id"], action, data, KEY), first)
        assert len(intent_server.requests) == asked

    def test_refund(self, intent_server: FakeStripe, api_client: APIClient, confirmed: Any) -> None:
        first = act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3.00"}, KEY)
        assert_replayed(act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3.00"}, KEY), first)
        other = act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3.00"}, "another key")
        assert other.json()["refunded_amount"] == "6.00"
        assert len(intent_server.all("refund")) == 2

    def test_decline(self, intent_server: FakeStripe, api_client: APIClient) -> None:
        shown = create(api_client).json()
        data = {"payment_method": "pm_card_chargeDeclined"}
        first = act(api_client, shown["payment_id"], "confirm_intent", data, KEY)
        assert_error(first, 402)
        asked = len(intent_server.requests)
        assert_replayed(act(api_client, shown["payment_id"], "confirm_intent", data, KEY), first)
        assert len(intent_server.requests) == asked

    def test_first_answer__also_when_the_payment_has_changed(
        self, stripe_server: FakeStripe, api_client: APIClient
    ) -> None:
        first = create(api_client, KEY)
        act(api_client, first.json()["payment_id"], "cancel_payment")
        assert_replayed(create(api_client, KEY), first)

    def test_order_of_the_body_does_not_matter(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        first = create(api_client, KEY)
        reordered = dict(reversed(body().items()))
        assert_replayed(post(api_client, CREATE, reordered, KEY), first)


class TestReuse:
    def test_other_body(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        create(api_client, KEY)
        error = assert_error(create(api_client, KEY, amount="11.00"), 409, "idempotency_key_reused")
        assert error["type"] == "idempotency_error"
        assert get_payment_model().objects.count() == 1

    def test_other_path(self, intent_server: FakeStripe, api_client: APIClient, preauthorized: Any) -> None:
        act(api_client, preauthorized["payment_id"], "capture_payment", {}, KEY)
        for action in ("capture_intent", "refund_payment"):
            answer = act(api_client, preauthorized["payment_id"], action, {}, KEY)
            assert_error(answer, 409, "idempotency_key_reused")

    def test_other_payment(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        first, second = create(api_client).json(), create(api_client).json()
        act(api_client, first["payment_id"], "cancel_payment", {}, KEY)
        assert_error(act(api_client, second["payment_id"], "cancel_payment", {}, KEY), 409, "idempotency_key_reused")

    def test_other_user__has_keys_of_their_own(
        self, stripe_server: FakeStripe, api_client: APIClient, other_client: APIClient
    ) -> None:
        first, second = create(api_client, KEY), create(other_client, KEY)
        assert second.status_code == 201
        assert first.json()["payment_id"] != second.json()["payment_id"]
        assert not second.has_header("Idempotent-Replayed")

    def test_case_matters(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        """A database that compares without case refuses the second one; none takes it for the first."""
        first, second = create(api_client, "key"), create(api_client, "KEY")
        assert second.status_code in (201, 409)
        assert second.json().get("payment_id") != first.json()["payment_id"]


class TestNotStored:
    def test_invalid_input__key_comes_back_corrected(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        assert_error(create(api_client, KEY, amount="-1"), 400)
        assert not IdempotencyKey.objects.exists()
        assert create(api_client, KEY).status_code == 201

    def test_not_found(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        assert_error(act(api_client, 999, "cancel_payment", {}, KEY), 404)
        assert not IdempotencyKey.objects.exists()

    @pytest.mark.parametrize("kind", ["error_500_before", "error_500_after", "reset_before", "reset_after", "garbage"])
    def test_provider_fails__repeat_carries_on(
        self, stripe_server: FakeStripe, api_client: APIClient, kind: Any
    ) -> None:
        stripe_server.fault("POST", "/v1/checkout/sessions", kind=kind)
        assert_error(create(api_client, KEY), 502)
        again = create(api_client, KEY)
        assert again.status_code == 201
        assert get_payment_model().objects.get().pk == again.json()["payment_id"]
        assert_replayed(create(api_client, KEY), again)

    @pytest.mark.parametrize("kind", ["error_500_before", "reset_before", "reset_after", "twice"])
    def test_provider_fails__one_refund(
        self, intent_server: FakeStripe, api_client: APIClient, confirmed: Any, kind: Any
    ) -> None:
        intent_server.fault("POST", "/v1/refunds", kind=kind)
        for _try in range(3):
            answer = act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3.00"}, KEY)
        assert answer.json()["refunded_amount"] == "3.00"
        assert len(intent_server.all("refund")) == 1

    def test_timeout__repeat_carries_on(
        self, intent_server: FakeStripe, api_client: APIClient, confirmed: Any, settings: Any
    ) -> None:
        settings.STRIPE_GATEWAY_TIMEOUT = 0.3
        intent_server.fault("POST", "/v1/refunds", kind="hang", seconds=1, when="after")
        first = act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3.00"}, KEY)
        assert_error(first, 504, "provider_timeout")
        settings.STRIPE_GATEWAY_TIMEOUT = 5
        again = act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3.00"}, KEY)
        assert again.json()["refunded_amount"] == "3.00"
        assert len(intent_server.all("refund")) == 1

    def test_wrong_state__asked_again(self, intent_server: FakeStripe, api_client: APIClient) -> None:
        shown = create(api_client, capture_method="manual", payment_method="pm_card_visa").json()
        assert_error(act(api_client, shown["payment_id"], "capture_payment", {}, KEY), 409, "wrong_state")
        other = act(api_client, shown["payment_id"], "capture_payment", {"amount": "1"}, KEY)
        assert_error(other, 409, "idempotency_key_reused")
        act(api_client, shown["payment_id"], "confirm_intent")
        answer = act(api_client, shown["payment_id"], "capture_payment", {}, KEY)
        assert answer.json()["status"] == "confirmed"


class TestKilled:
    def test_after_the_claim(self, stripe_server: FakeStripe, api_client: APIClient, monkeypatch: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr("django_stripe_gateway.api.payments.actions.create_payment", die)
            with pytest.raises(Killed):
                create(api_client, KEY)
        assert IdempotencyKey.objects.get().response_status is None
        assert_error(create(api_client, KEY, amount="11.00"), 409, "idempotency_key_reused")
        assert create(api_client, KEY).status_code == 201

    def test_while_stripe_works(
        self, intent_server: FakeStripe, api_client: APIClient, confirmed: Any, monkeypatch: Any
    ) -> None:
        def refund() -> Any:
            return act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3.00"}, KEY)

        with monkeypatch.context() as patch:
            patch.setattr(engine, "settle", die)
            with pytest.raises(Killed):
                refund()
        refused = refund()
        assert_error(refused, 409, "operation_in_progress")
        assert refused["Retry-After"] == "1"
        run_out_leases()
        assert refund().json()["refunded_amount"] == "3.00"
        assert len(intent_server.all("refund")) == 1

    @pytest.mark.parametrize("days", [0, 40])
    def test_before_the_answer_is_stored(
        self, intent_server: FakeStripe, api_client: APIClient, confirmed: Any, monkeypatch: Any, days: int
    ) -> None:
        """Also long after the key would have expired: what was never answered is carried on with."""

        def refund() -> Any:
            return act(api_client, confirmed["payment_id"], "refund_payment", {"amount": "3.00"}, KEY)

        with monkeypatch.context() as patch:
            patch.setattr(idempotency, "_store", die)
            with pytest.raises(Killed):
                refund()
        age(days * 24 * 60 * 60)
        again = refund()
        assert again.json()["refund"]["amount"] == "3.00"
        assert again.json()["refunded_amount"] == "3.00"
        assert len(intent_server.all("refund")) == 1


class TestAtOnce:
    def test_one_payment(self, stripe_server: FakeStripe, user: Any) -> None:
        barrier = threading.Barrier(6)

        def send(_number: int) -> Any:
            client = APIClient()
            client.force_authenticate(user)
            barrier.wait(10)
            try:
                return create(client, KEY)
            finally:
                connection.close()

        with ThreadPoolExecutor(6) as threads:
            answers = list(threads.map(send, range(6)))
        assert {answer.status_code for answer in answers} <= {201, 409}
        for answer in answers:
            if answer.status_code == 409:
                assert_error(answer, 409, "operation_in_progress")
        assert len({answer.json()["payment_id"] for answer in answers if answer.status_code == 201}) == 1
        assert get_payment_model().objects.count() == 1
        assert len(stripe_server.all("checkout.session")) == 1

    def test_second_while_the_first_waits_for_stripe(
        self, stripe_server: FakeStripe, api_client: APIClient, user: Any
    ) -> None:
        second = APIClient()
        second.force_authenticate(user)

        def first_request() -> Any:
            try:
                return create(api_client, KEY)
            finally:
                connection.close()

        with ThreadPoolExecutor(1) as threads, stripe_server.hold("POST", "/v1/checkout/sessions") as hold:
            first = threads.submit(first_request)
            hold.wait()
            refused = create(second, KEY)
            hold.release()
            answered = first.result(20)
        assert_error(refused, 409, "operation_in_progress")
        assert refused["Retry-After"] == "1"
        assert answered.status_code == 201
        assert_replayed(create(second, KEY), answered)

    def test_first_answer_stays(self, user: Any) -> None:
        """Of two requests that carried on at once, both with the payment, one was answered first."""
        claim = idempotency.claim_key(user, "", KEY, "a" * 64)
        for status in ("waiting", "confirmed"):
            idempotency._store(claim.row, 201, {"status": status})
        assert IdempotencyKey.objects.get().response_body == '{"status": "waiting"}'

    def test_claimed_between_look_and_insert(self, user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """The database decides who was first."""
        first = idempotency.claim_key(user, "", KEY, "a" * 64)
        looked = []

        def see_nothing_at_first(queryset: Any) -> Any:
            looked.append(1)
            return None if len(looked) == 1 else queryset.get()

        monkeypatch.setattr(QuerySet, "first", see_nothing_at_first)
        second = idempotency.claim_key(user, "", KEY, "a" * 64)
        assert (first.is_new, second.is_new) == (True, False)
        assert second.row == first.row
        looked.clear()
        with pytest.raises(IdempotencyKeyReused):
            idempotency.claim_key(user, "", KEY, "b" * 64)


class TestExpiry:
    def test_expired__used_again(self, stripe_server: FakeStripe, api_client: APIClient, settings: Any) -> None:
        settings.STRIPE_GATEWAY_IDEMPOTENCY_KEY_TTL = 60
        first = create(api_client, KEY)
        age(59)
        assert_replayed(create(api_client, KEY), first)
        age(61)
        again = create(api_client, KEY)
        assert again.status_code == 201
        assert again.json()["payment_id"] != first.json()["payment_id"]
        assert IdempotencyKey.objects.count() == 1

    def test_expired__with_another_body(self, stripe_server: FakeStripe, api_client: APIClient) -> None:
        create(api_client, KEY)
        age(25 * 60 * 60)
        again = create(api_client, KEY, amount="11.00")
        assert (again.status_code, again.json()["amount"]) == (201, "11.00")


class TestKey:
    @pytest.mark.parametrize("key", ["", " ", "x" * 256, "a\tb", "é", "a\x7f", "\x00"])
    def test_invalid(self, stripe_server: FakeStripe, api_client: APIClient, key: str) -> None:
        answer = create(api_client, key)
        assert_error(answer, 400, "invalid_idempotency_key", "Idempotency-Key")
        assert not get_payment_model().objects.exists()

    @pytest.mark.parametrize("key", ["x", "x" * 255, "a b", "!~'\"%", KEY])
    def test_valid(self, stripe_server: FakeStripe, api_client: APIClient, key: str) -> None:
        first = create(api_client, key)
        assert first.status_code == 201
        assert_replayed(create(api_client, key), first)

    def test_ignored_by_get(self, api_client: APIClient) -> None:
        assert api_client.get(f"{ROOT}payments/", headers={"Idempotency-Key": ""}).status_code == 200
        assert not IdempotencyKey.objects.exists()


def die(*args: Any, **kwargs: Any) -> None:
    raise Killed
