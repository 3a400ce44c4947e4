from __future__ import annotations

import jsonschema
import pytest
import stripe

from tests.fake_stripe import openapi
from tests.test_fake_stripe.shop import Shop, plain

URL = "https://shop.test/webhooks/"


def create(shop: Shop, **params: object) -> stripe.WebhookEndpoint:
    return shop.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"], **params})


def test_shapes(shop: Shop) -> None:
    made = create(shop, api_version=stripe.api_version, description="Shop", metadata={"a": "b"})
    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    shown = shop.v1.webhook_endpoints.retrieve(made.id)
    assert "secret" not in shown
    for endpoint in (made, shown):
        validator = jsonschema.Draft202012Validator(openapi.response_schema("webhook_endpoint"))
        validator.validate(plain(endpoint))


def test_changes(shop: Shop) -> None:
    made = create(shop)
    changed = shop.v1.webhook_endpoints.update(made.id, {"enabled_events": ["payout.paid"], "disabled": True})
    assert (changed.status, list(changed.enabled_events)) == ("disabled", ["payout.paid"])
    with pytest.raises(stripe.InvalidRequestError, match="unknown parameter: api_version"):
        shop.v1.webhook_endpoints.update(made.id, {"api_version": stripe.api_version})  # type: ignore[typeddict-unknown-key]
    shop.fake.take_violations()
    shop.v1.webhook_endpoints.delete(made.id)
    assert list(shop.v1.webhook_endpoints.list().data) == []


@pytest.mark.parametrize("url", ["shop.test/webhooks/", "http://localhost:8000/webhooks/"])
def test_refused(shop: Shop, url: str) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Invalid URL") as caught:
        create(shop, url=url)
    assert (caught.value.code, caught.value.param) == ("url_invalid", "url")


def test_refused__live_without_https(shop: Shop) -> None:
    live = shop.client("sk_live_fake").v1.webhook_endpoints
    with pytest.raises(stripe.InvalidRequestError, match="HTTPS"):
        live.create({"url": "http://shop.test/", "enabled_events": ["*"]})
    create(shop, url="http://shop.test/")


def test_restricted_key(shop: Shop) -> None:
    shop.fake.add_key("rk_test_1", forbidden=("/v1/webhook_endpoints",))
    client = shop.client("rk_test_1")
    with pytest.raises(stripe.PermissionError, match="required permissions"):
        client.v1.webhook_endpoints.list()
    client.v1.events.list()


def test_events__delivered_or_not(shop: Shop) -> None:
    shop.intent()
    with shop.fake.state.acting():
        shop.fake.state.event_log[0]["pending_webhooks"] = 0
    ids = [event["id"] for event in shop.fake.events()]
    delivered = [event.id for event in shop.v1.events.list({"delivery_success": True}).data]
    missed = [event.id for event in shop.v1.events.list({"delivery_success": False}).data]
    assert delivered == ids[:1]
    assert missed == ids[:0:-1]


def test_events__too_many_types(shop: Shop) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="no more than 20"):
        shop.v1.events.list({"types": [f"a.{number}" for number in range(21)]})


def test_events__of_thirty_days(shop: Shop) -> None:
    shop.intent()
    now = shop.fake.state.clock()
    shop.fake.state.clock = lambda: now + 31 * 24 * 60 * 60
    assert list(shop.v1.events.list().data) == []
