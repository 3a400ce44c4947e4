"""``GET gateways/``, ``GET payments/``, ``GET payments/{id}/`` and ``GET payments/{id}/logs/``."""

from __future__ import annotations

import datetime as dt
from base64 import b64encode
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from payments import get_payment_model
from rest_framework.test import APIClient

from django_stripe_gateway.models import PaymentGatewayConfig, PaymentLog
from tests.factories import make_paid_payment, make_payment
from tests.test_api.calls import ROOT, assert_error

pytestmark = pytest.mark.django_db

PAYMENTS = f"{ROOT}payments/"


def ids(answer: Any) -> list[int]:
    """Return the ids on a page."""
    assert answer.status_code == 200, answer.content
    return [payment["payment_id"] for payment in answer.json()["results"]]


class TestGateways:
    def test_active_ones_without_secrets(self, api_client: APIClient) -> None:
        PaymentGatewayConfig.objects.create(name="Old", variant="stripe", is_active=False)
        answer = api_client.get(f"{ROOT}gateways/")
        assert answer.json() == {
            "next": None,
            "previous": None,
            "results": [
                {"name": "Stripe", "variant": "stripe", "description": "Cards and wallets", "is_default": True}
            ],
        }

    def test_one_query(self, api_client: APIClient, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            api_client.get(f"{ROOT}gateways/")


class TestList:
    def test_own_payments_newest_first(self, api_client: APIClient, user: Any, other_user: Any) -> None:
        first, second = make_payment(owner=user), make_paid_payment(owner=user)
        make_payment(owner=other_user)
        make_payment(owner=None)
        answer = api_client.get(PAYMENTS)
        assert ids(answer) == [second.pk, first.pk]
        assert (answer.json()["next"], answer.json()["previous"]) == (None, None)

    def test_one_query_beside_authentication(
        self, api_client: APIClient, token_client: APIClient, user: Any, django_assert_num_queries: Any
    ) -> None:
        for _number in range(30):
            make_paid_payment(owner=user, extra_data='{"intent": {"status": "succeeded"}}')
        with django_assert_num_queries(1):
            answer = api_client.get(PAYMENTS)
        assert len(answer.json()["results"]) == 25
        with django_assert_num_queries(2):
            token_client.get(PAYMENTS)

    def test_index_serves_the_first_page(
        self, api_client: APIClient, user: Any, django_assert_num_queries: Any
    ) -> None:
        with django_assert_num_queries(1) as captured:
            api_client.get(PAYMENTS)
        sql = captured[0]["sql"]
        assert "ORDER BY" in sql
        assert "LIMIT 26" in sql
        if connection.vendor == "sqlite":
            # The others decide by what is in the table, and here there is nothing.
            explained = get_payment_model().objects.filter(owner=user).order_by("-pk")[:26].explain()
            assert "owner_id" in explained
            assert "TEMP B-TREE" not in explained

    def test_pages(self, api_client: APIClient, user: Any) -> None:
        made = [make_payment(owner=user).pk for _number in range(7)][::-1]
        first = api_client.get(PAYMENTS, {"page_size": 3})
        assert ids(first) == made[:3]
        # Rows that come meanwhile move nothing.
        make_payment(owner=user)
        second = api_client.get(first.json()["next"])
        assert ids(second) == made[3:6]
        third = api_client.get(second.json()["next"])
        assert ids(third) == made[6:]
        assert third.json()["next"] is None
        assert ids(api_client.get(third.json()["previous"])) == made[3:6]

    def test_pages__keep_the_filters(self, api_client: APIClient, user: Any) -> None:
        made = [make_payment(owner=user, order_id="a").pk for _number in range(3)][::-1]
        make_payment(owner=user, order_id="b")
        first = api_client.get(PAYMENTS, {"page_size": 2, "order_id": "a"})
        assert ids(api_client.get(first.json()["next"])) == made[2:]

    def test_page_size__of_the_settings_and_at_most_100(self, api_client: APIClient, user: Any, settings: Any) -> None:
        get_payment_model().objects.bulk_create(
            [get_payment_model()(owner=user, variant="stripe", currency="USD", total=1) for _number in range(101)]
        )
        settings.STRIPE_GATEWAY_PAGE_SIZE = 2
        assert len(ids(api_client.get(PAYMENTS))) == 2
        assert len(ids(api_client.get(PAYMENTS, {"page_size": 500}))) == 100

    @pytest.mark.parametrize("size", ["0", "-1", "ten", "", "1.5", "٣", "1" * 400])
    def test_page_size__invalid(self, api_client: APIClient, size: str) -> None:
        assert_error(api_client.get(PAYMENTS, {"page_size": size}), 400, "invalid", "page_size")

    @pytest.mark.parametrize(
        "cursor", ["x", "é", b64encode(b"p=abc").decode(), b64encode(b"p=1%00").decode(), b64encode(b"o=x").decode()]
    )
    def test_cursor__forged(self, api_client: APIClient, cursor: str) -> None:
        assert_error(api_client.get(PAYMENTS, {"cursor": cursor}), 400, "invalid", "cursor")

    def test_cursor__huge_position(self, api_client: APIClient, user: Any) -> None:
        payment = make_payment(owner=user)
        cursor = b64encode(b"p=" + b"9" * 30).decode()
        assert ids(api_client.get(PAYMENTS, {"cursor": cursor})) == [payment.pk]


class TestFilters:
    def test_status(self, api_client: APIClient, user: Any) -> None:
        waiting, confirmed = make_payment(owner=user), make_paid_payment(owner=user)
        make_payment(owner=user, status="rejected")
        assert ids(api_client.get(PAYMENTS, {"status": "confirmed"})) == [confirmed.pk]
        assert ids(api_client.get(PAYMENTS, {"status": ["waiting", "confirmed"]})) == [confirmed.pk, waiting.pk]

    def test_order_id(self, api_client: APIClient, user: Any, other_user: Any) -> None:
        payment = make_payment(owner=user, order_id="ord_1")
        make_payment(owner=user, order_id="ord_2")
        make_payment(owner=other_user, order_id="ord_1")
        assert ids(api_client.get(PAYMENTS, {"order_id": "ord_1"})) == [payment.pk]

    def test_created(self, api_client: APIClient, user: Any) -> None:
        old, new = make_payment(owner=user), make_payment(owner=user)
        moment = timezone.now() - dt.timedelta(days=10)
        get_payment_model().objects.filter(pk=old.pk).update(created=moment)
        day = timezone.localtime(moment).date().isoformat()
        assert ids(api_client.get(PAYMENTS, {"created": day})) == [old.pk]
        assert ids(api_client.get(PAYMENTS, {"created_before": moment.isoformat()})) == []
        assert ids(api_client.get(PAYMENTS, {"created_after": moment.isoformat()})) == [new.pk, old.pk]
        later = (moment + dt.timedelta(microseconds=1)).isoformat()
        assert ids(api_client.get(PAYMENTS, {"created_before": later})) == [old.pk]
        assert ids(api_client.get(PAYMENTS, {"created_after": later})) == [new.pk]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("status", "paid"),
            ("status", ""),
            ("order_id", ""),
            ("created", ""),
            ("created_after", ""),
            ("order_id", "x" * 256),
            ("order_id", "a\x00"),
            ("created", "yesterday"),
            ("created", "9999-12-31"),
            ("created", "2026-13-01"),
            ("created_after", "now"),
            ("created_after", "0001-01-01T00:00:00+14:00"),
            ("created_before", "2026-01-01T25:00"),
        ],
    )
    def test_invalid(self, api_client: APIClient, name: str, value: str) -> None:
        assert_error(api_client.get(PAYMENTS, {name: value}), 400, field=name)


class TestDetail:
    def test_own(self, api_client: APIClient, user: Any, django_assert_num_queries: Any) -> None:
        payment = make_paid_payment(
            owner=user,
            order_id="o",
            description="d",
            metadata={"a": 1},
            authorized_amount=Decimal("12"),
            refunded_amount=Decimal("3"),
        )
        with django_assert_num_queries(1):
            shown = api_client.get(f"{PAYMENTS}{payment.pk}/").json()
        assert dt.datetime.fromisoformat(shown.pop("created")) == payment.created
        assert dt.datetime.fromisoformat(shown.pop("modified")) == payment.modified
        assert shown == {
            "payment_id": payment.pk,
            "status": "confirmed",
            "amount": "10.00",
            "currency": "USD",
            "authorized_amount": "12.00",
            "captured_amount": "10.00",
            "refunded_amount": "3.00",
            "gateway": "Stripe",
            "order_id": "o",
            "description": "d",
            "metadata": {"a": 1},
            "capture_method": "automatic",
            "intent_id": payment.intent_id,
        }

    @pytest.mark.parametrize(
        ("currency", "total", "shown"),
        [("JPY", "500", "500"), ("KWD", "1.5", "1.500"), ("ugx", "5", "5"), ("XTS", "5.25", "5.250")],
    )
    def test_precision_of_the_currency(
        self, api_client: APIClient, user: Any, currency: str, total: str, shown: str
    ) -> None:
        payment = make_payment(owner=user, currency=currency, total=Decimal(total))
        answer = api_client.get(f"{PAYMENTS}{payment.pk}/").json()
        assert (answer["amount"], answer["currency"]) == (shown, currency.upper())

    def test_stored_object_is_not_ours(self, api_client: APIClient, user: Any) -> None:
        payment = make_payment(owner=user, extra_data="not json")
        assert api_client.get(f"{PAYMENTS}{payment.pk}/").status_code == 200

    @pytest.mark.parametrize(
        "payment_id", ["0", "-1", "abc", "1.0", "9" * 30, "9" * 5000, "%D9%A1", "1_0", "%00", "+1", " 1"]
    )
    def test_no_id(self, api_client: APIClient, user: Any, payment_id: str) -> None:
        make_payment(owner=user)
        for suffix in ("", "logs/"):
            assert_error(api_client.get(f"{PAYMENTS}{payment_id}/{suffix}"), 404, "not_found")

    def test_no_money_moves_when_it_is_shown(self, api_client: APIClient, user: Any) -> None:
        """The model has methods named like things that an answer shows."""
        payment = make_paid_payment(owner=user)
        api_client.get(f"{PAYMENTS}{payment.pk}/")
        assert not payment.operations.exists()


class TestLogs:
    def test_oldest_first_and_paged(self, api_client: APIClient, user: Any, django_assert_num_queries: Any) -> None:
        payment = make_payment(owner=user)
        for number in range(4):
            PaymentLog.objects.create(payment=payment, event="updated", message=str(number), actor="user:1")
        PaymentLog.objects.create(payment=make_payment(owner=user), event="updated", message="other")
        with django_assert_num_queries(2):
            answer = api_client.get(f"{PAYMENTS}{payment.pk}/logs/", {"page_size": 3})
        assert [line["message"] for line in answer.json()["results"]] == ["0", "1", "2"]
        assert set(answer.json()["results"][0]) == {"log_id", "event", "source", "message", "data", "created"}
        rest = api_client.get(answer.json()["next"]).json()
        assert [line["message"] for line in rest["results"]] == ["3"]

    def test_settings_are_not_named(self, api_client: APIClient, user: Any) -> None:
        payment = make_payment(owner=user)
        PaymentLog.objects.create(
            payment=payment,
            event="operation_failed",
            message="Check STRIPE_GATEWAY_API_KEY.",
            data={"code": "provider_authentication"},
        )
        assert "STRIPE_GATEWAY" not in api_client.get(f"{PAYMENTS}{payment.pk}/logs/").content.decode()
