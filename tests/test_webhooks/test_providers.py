"""A provider that is registered: its webhooks' address, its events, and its handlers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from django_stripe_gateway.exceptions import GatewayConfigurationError, UnsupportedByGateway, WebhookRejected
from django_stripe_gateway.gateways import Gateway, Provider, get_billing_gateway, get_meters, register_provider
from django_stripe_gateway.gateways.registry import registered_providers, temporary_providers
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.events import Event, related_id
from django_stripe_gateway.webhooks.providers import WebhookProvider, webhook_provider
from django_stripe_gateway.webhooks.registry import handled_types, handlers_for, handles, temporary_handlers
from django_stripe_gateway.webhooks.stripe.event_types import stripe_event_types

URL = "/api/v1/webhooks/paylane/"
EVENT = {"id": "ev-1", "type": "payment.paid", "created": 1700000000, "data": {"object": {"id": "p-1", "order": "o-1"}}}


class Paylane(Provider):
    """Another company, without subscriptions."""

    name = "paylane"
    label = "Paylane"
    webhooks = f"{__name__}.PaylaneWebhooks"

    def payments(self, variant: str) -> Gateway:
        raise NotImplementedError


class PaylaneWebhooks(WebhookProvider):
    """Signed with a word."""

    audited_headers = ("Paylane-Delivery",)

    def verify(self, body: bytes, headers: Mapping[str, str], variant: str = "") -> str:
        if headers.get("Paylane-Word") != "open sesame":
            raise WebhookRejected("The signature is missing or wrong.", code="bad_signature")
        return variant or "lane"

    def parents(self, obj: Mapping[str, Any]) -> list[Any]:
        return [obj.get("order")]


@pytest.fixture(autouse=True)
def _paylane(settings: Any) -> Iterator[None]:
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {
        "lane": ("payments.dummy.DummyProvider", {"gateway": "paylane"})
    }
    with temporary_handlers(), temporary_providers():
        register_provider(Paylane())
        yield


def deliver(event: Any = EVENT, *, url: str = URL, word: str = "open sesame") -> Any:
    headers = {"Paylane-Word": word, "Paylane-Delivery": "d-1"}
    return Client().post(url, json.dumps(event), content_type="application/json", headers=headers)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("url", [URL, f"{URL}lane/"])
def test_delivery(url: str) -> None:
    seen: list[Event] = []
    handles("payment.paid", provider="paylane", built_in=True)(seen.append)
    assert deliver(url=url).json() == {"received": True, "state": "processed"}
    assert [(event.provider, event.variant, event.object["id"]) for event in seen] == [("paylane", "lane", "p-1")]
    row = WebhookEvent.objects.get()
    assert (row.provider, row.variant, row.object_id, row.related_id) == ("paylane", "lane", "p-1", "o-1")
    assert row.headers["Paylane-Delivery"] == "d-1"
    assert "Paylane-Word" not in row.headers


@pytest.mark.django_db(transaction=True)
def test_delivery__forged() -> None:
    answer = deliver(word="guess")
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_signature")
    assert not WebhookEvent.objects.exists()


@pytest.mark.parametrize("url", ["/api/v1/webhooks/nobody/", "/api/v1/webhooks/nobody/lane/", f"{URL}stripe/"])
def test_address_of_nobody(url: str) -> None:
    answer = deliver(url=url)
    assert answer.status_code == 404
    assert answer.json() == {
        "type": "invalid_request_error",
        "code": "unknown_variant",
        "detail": "There is no such webhook address.",
    }


def test_address__method() -> None:
    assert Client().get(URL).status_code == 405
    assert Client().get("/api/v1/webhooks/nobody/").status_code == 404


@pytest.mark.parametrize("name", ["stripe", "paypal"])
def test_names_of_addresses(name: str) -> None:
    base = f"/api/v1/webhooks/{name}/"
    assert reverse(f"django_stripe_gateway:{name}-webhook") == base
    assert reverse(f"django_stripe_gateway:{name}-webhook-variant", kwargs={"variant": "eu"}) == f"{base}eu/"


def test_names_of_addresses__registered_late() -> None:
    assert reverse("django_stripe_gateway:webhook", kwargs={"provider": "paylane"}) == URL


def test_handlers__of_one_provider() -> None:
    def handle(event: Event) -> None:
        pass

    handles("payment.paid", provider="paylane", built_in=True)(handle)
    assert handlers_for("payment.paid", "lane", "paylane") == [handle]
    assert handlers_for("payment.paid", "stripe", "stripe") == []
    # A host that does not say whose event it means does not make it Stripe's.
    handles("payment.paid")(lambda event: None)
    assert "payment.paid" in handled_types(provider="paylane")
    assert "payment.paid" not in stripe_event_types()


def test_handlers__built_in_needs_a_provider() -> None:
    with pytest.raises(ValueError, match="name it"):
        handles("payment.paid", built_in=True)


def test_handlers__order() -> None:
    """The host's before, then the provider's own, then the host's, whoever was registered first."""
    named = {name: (lambda event: None) for name in ("after", "own", "before")}
    handles("payment.*")(named["after"])
    handles("payment.paid", provider="paylane", built_in=True)(named["own"])
    handles("*", before=True)(named["before"])
    assert handlers_for("payment.paid", "lane", "paylane") == [named["before"], named["own"], named["after"]]


def test_related_id__whatever_a_provider_reads() -> None:
    assert related_id(Event(id="ev-1", type="x", provider="paylane", object={"order": ["o-1"]})) == ""


def test_no_subscriptions() -> None:
    with pytest.raises(UnsupportedByGateway, match="Paylane bills no subscriptions"):
        get_billing_gateway("lane")
    with pytest.raises(GatewayConfigurationError, match="has no meters"):
        get_meters("lane")


class Silent(Paylane):
    """A provider that calls nobody."""

    name = "silent"
    webhooks = ""


def test_without_webhooks() -> None:
    register_provider(Silent())
    with pytest.raises(GatewayConfigurationError, match="No provider with webhooks"):
        webhook_provider("silent")


class Taken(Silent):
    """Wants a name that another provider has."""

    name = "stripe"


class Malformed(Silent):
    """Has a name that fits no address."""

    name = "Pay Lane"


@pytest.mark.parametrize("provider", [Taken(), Malformed()])
def test_registration__refused(provider: Provider) -> None:
    before = registered_providers()
    with pytest.raises(ValueError, match="cannot be registered"):
        register_provider(provider)
    assert registered_providers() == before


def test_registration__twice() -> None:
    """``ready()`` may run again."""
    register_provider(Paylane())
    assert [provider.name for provider in registered_providers()].count("paylane") == 1


class Missing(Silent):
    """Names webhooks that are not there."""

    name = "missing"
    webhooks = "paylane.Missing"


def test_registration__webhooks_that_are_not_there() -> None:
    with pytest.raises(ImportError):
        register_provider(Missing())
