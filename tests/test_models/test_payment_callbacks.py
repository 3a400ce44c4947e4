"""django-payments' own callback URLs say where Stripe's webhooks are received instead."""

from __future__ import annotations

from typing import Any

import pytest

from tests.factories import make_payment

pytestmark = pytest.mark.django_db


@pytest.fixture
def payments_urls(settings: Any) -> None:
    settings.ROOT_URLCONF = "payments.urls"


def test_static_callback__says_where_webhooks_go(client: Any, payments_urls: None) -> None:
    answer = client.post("/process/stripe/", b"{}", content_type="application/json")
    assert answer.status_code == 400
    assert "webhooks/stripe/" in answer.json()["error"]


def test_payment_callback__says_where_webhooks_go(client: Any, payments_urls: None) -> None:
    payment = make_payment()
    url = f"/process/{payment.token}/"
    for answer in (client.post(url, b"{}", content_type="application/json"), client.get(url)):
        assert answer.status_code == 400
        assert "webhooks/stripe/" in answer.json()["error"]
    payment.refresh_from_db()
    assert payment.status == "waiting"
