"""Query parameters that nobody reads are refused: a wider list than was asked for would be a wrong one."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.factories import make_payment
from tests.test_api.calls import ROOT, assert_error

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    "path",
    [
        "payments/?stauts=paid",
        "payments/?orderid=9",
        "payments/?page_size=3&pagesize=3",
        "gateways/?x=1",
        "subscriptions/plans/?knd=add_on",
        "subscriptions/status/?status=active",
        "subscriptions/invoices/?x",
        "subscriptions/items/?subscription_id=sub_1&x=1",
        "subscriptions/me/limits/?metric=seats",
    ],
)
def test_unknown(api_client: APIClient, path: str) -> None:
    assert_error(api_client.get(ROOT + path), 400, "unknown_parameter")


def test_unknown__of_one_object(api_client: APIClient, user: Any) -> None:
    payment = make_payment(owner=user)
    for path in (f"payments/{payment.pk}/?x=1", f"payments/{payment.pk}/logs/?kind=x"):
        assert_error(api_client.get(ROOT + path), 400, "unknown_parameter")


@pytest.mark.parametrize("size", ["0", "-1", "x", ""])
def test_page_size__out_of_range(api_client: APIClient, size: str) -> None:
    answer = api_client.get(f"{ROOT}payments/?page_size={size}")
    assert_error(answer, 400)
    assert "more than 100 count as 100" in answer.content.decode()


def test_known(api_client: APIClient) -> None:
    for query in ("page_size=100", "status=waiting&status=confirmed&order_id=1", "format=json"):
        assert api_client.get(f"{ROOT}payments/?{query}").status_code == 200


def test_known__format_is_turned_off(api_client: APIClient, settings: Any) -> None:
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "URL_FORMAT_OVERRIDE": None}
    assert_error(api_client.get(f"{ROOT}payments/?None=1"), 400, "unknown_parameter")
