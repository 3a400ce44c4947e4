"""Who may deliver, and how: signatures, secrets, variants, and the request around them."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from django.test import Client, RequestFactory
from payments.core import PROVIDER_CACHE

from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.views import WebhookView
from tests.factories import as_body, intent_object, make_event, make_payment, session_object
from tests.fake_stripe.events import signature_header
from tests.test_webhooks.support import SECRET, URL, deliver, money_rows, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def event() -> dict[str, Any]:
    """Return an event that confirms a waiting payment."""
    return make_event("checkout.session.completed", session_object(make_payment()))


@pytest.fixture
def two_accounts(settings: Any) -> None:
    """Configure two accounts, each with a key and a secret of its own."""
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, {"api_key": "sk_test_a", "endpoint_secret": "whsec_a"}),
        "stripe-eu": (STRIPE_PROVIDER, {"api_key": "sk_test_b", "endpoint_secret": "whsec_b"}),
    }
    PROVIDER_CACHE.clear()


def refused(answer: Any, caplog: Any, reason: str, status: int = 400) -> bool:
    """Return whether a delivery was refused, stored nothing, and the log says why."""
    assert answer.status_code == status, answer.content
    assert set(answer.json()) == {"type", "code", "detail"}
    assert not WebhookEvent.objects.exists()
    return reason in caplog.text


def test_signed__accepted(event: dict[str, Any]) -> None:
    assert deliver(event).json() == {"received": True, "state": "processed"}
    row = WebhookEvent.objects.get()
    assert (row.provider, row.variant, row.event_id, row.attempts) == ("stripe", "stripe", event["id"], 1)
    assert (row.state, row.error, row.livemode) == ("processed", "", False)
    assert row.body.encode() == as_body(event)
    assert row.payload == event
    assert row.occurred is not None
    assert row.processed is not None


@pytest.mark.parametrize("secrets", ["whsec_new,whsec_test", " whsec_test , whsec_new ", ["whsec_new", "whsec_test"]])
def test_signed__by_one_of_several_secrets(event: dict[str, Any], settings: Any, secrets: Any) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_SECRET = secrets
    assert deliver(event).status_code == 200


def test_signed__one_of_several_signatures(event: dict[str, Any]) -> None:
    """While a secret is being rotated, Stripe signs with both."""
    body, now = as_body(event), int(time.time())
    right, wrong = signature_header(body, SECRET, now), signature_header(body, "whsec_old", now)
    header = f"{wrong},{right.split(',', 1)[1]},v0=abc"
    assert post(body, secret=None, HTTP_STRIPE_SIGNATURE=header).status_code == 200


def test_refused__forged_body(event: dict[str, Any], caplog: Any) -> None:
    header = signature_header(as_body(event), SECRET, int(time.time()))
    before = money_rows()
    answer = post(as_body(event) + b" ", secret=None, HTTP_STRIPE_SIGNATURE=header)
    assert refused(answer, caplog, "no configured secret signed it")
    assert money_rows() == before


def test_refused__unsigned(event: dict[str, Any], caplog: Any) -> None:
    assert refused(deliver(event, secret=None), caplog, "no Stripe-Signature header")


def test_refused__wrong_secret(event: dict[str, Any], caplog: Any) -> None:
    assert refused(deliver(event, secret="whsec_other"), caplog, "no configured secret signed it")


@pytest.mark.parametrize("age", [301, 10**9])
def test_refused__stale(event: dict[str, Any], caplog: Any, age: int) -> None:
    assert refused(deliver(event, timestamp=int(time.time()) - age), caplog, "timestamp is too old")


def test_accepted__within_the_tolerance(event: dict[str, Any], settings: Any, caplog: Any) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_TOLERANCE = 60
    assert refused(deliver(event, timestamp=int(time.time()) - 120), caplog, "timestamp is too old")
    settings.STRIPE_GATEWAY_WEBHOOK_TOLERANCE = 600
    assert deliver(event, timestamp=int(time.time()) - 120).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "x",
        ",",
        "t=",
        "t=1",
        "v1=abc",
        "t=1,v1",
        "t=now,v1=abc",
        "t=-1,v1=",
        f"t={'9' * 5000},v1=abc",
        "t=1,v1=\xe9",
        "=,=",
    ],
)
def test_refused__header_that_is_no_signature(event: dict[str, Any], caplog: Any, header: str) -> None:
    assert refused(post(as_body(event), secret=None, HTTP_STRIPE_SIGNATURE=header), caplog, "was refused")


def test_refused__signature_that_is_not_ascii(event: dict[str, Any], caplog: Any) -> None:
    """Comparing such a text in constant time raises."""
    header = f"t={int(time.time())},v1=\xe9\xe9"
    assert refused(post(as_body(event), secret=None, HTTP_STRIPE_SIGNATURE=header), caplog, "no configured secret")


@pytest.mark.parametrize("secret", ["", None, (), " , "])
def test_refused__no_secret_is_configured(event: dict[str, Any], settings: Any, caplog: Any, secret: Any) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_SECRET = secret
    assert refused(deliver(event), caplog, "no signing secret is configured. Set STRIPE_GATEWAY_WEBHOOK_SECRET")
    assert refused(deliver(event, secret=""), caplog, "no signing secret is configured")
    assert refused(deliver(event, secret=None), caplog, "no signing secret is configured")


def test_refused__there_is_no_stripe_variant(event: dict[str, Any], settings: Any, caplog: Any) -> None:
    settings.PAYMENT_VARIANTS = {"dummy": ("payments.dummy.DummyProvider", {})}
    assert refused(deliver(event), caplog, "no signing secret is configured")


def test_localstripe__unsigned_accepted(event: dict[str, Any], settings: Any) -> None:
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    settings.STRIPE_GATEWAY_WEBHOOK_SECRET = ""
    assert deliver(event, secret=None).json()["state"] == "processed"


def test_localstripe__signature_that_nobody_asked_for(event: dict[str, Any], settings: Any) -> None:
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    settings.STRIPE_GATEWAY_WEBHOOK_SECRET = ""
    assert deliver(event, secret="whsec_of_the_sender").status_code == 200


def test_localstripe__a_secret_that_is_set_is_checked(event: dict[str, Any], settings: Any, caplog: Any) -> None:
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    assert refused(deliver(event, secret=None), caplog, "no Stripe-Signature header")
    assert refused(deliver(event, secret="whsec_other"), caplog, "no configured secret signed it")
    assert deliver(event).status_code == 200


def test_localstripe__a_live_key_needs_a_secret(event: dict[str, Any], settings: Any, caplog: Any) -> None:
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    settings.STRIPE_GATEWAY_WEBHOOK_SECRET = ""
    settings.STRIPE_GATEWAY_API_KEY = "sk_live_1"
    assert refused(deliver(event, secret=None), caplog, "no signing secret is configured")


def test_localstripe__does_not_speak_for_stripe(settings: Any) -> None:
    """Beside a real account, whose key it falls back to, an unsigned event changes localstripe's payments only."""
    settings.STRIPE_GATEWAY_WEBHOOK_SECRET = ""
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, {"endpoint_secret": SECRET}),
        "local": (STRIPE_PROVIDER, {"use_localstripe": True}),
    }
    real, local = make_payment(), make_payment(variant="local")
    forged = make_event("checkout.session.completed", session_object(real))
    assert deliver(forged, secret=None).json()["state"] == "mismatched"
    own = make_event("payment_intent.succeeded", intent_object(local))
    assert deliver(own, secret=None).json()["state"] == "processed"
    real.refresh_from_db()
    local.refresh_from_db()
    assert (real.status, local.status) == ("waiting", "confirmed")


@pytest.mark.usefixtures("two_accounts")
class TestVariants:
    """``webhooks/stripe/<variant>/`` takes one account's events, ``webhooks/stripe/`` any account's."""

    def test_own_secret(self) -> None:
        payment = make_payment(variant="stripe-eu")
        event = make_event("checkout.session.completed", session_object(payment))
        assert deliver(event, secret="whsec_b", url=f"{URL}stripe-eu/").json()["state"] == "processed"
        assert WebhookEvent.objects.get().variant == "stripe-eu"

    def test_other_variants_secret(self, event: dict[str, Any], caplog: Any) -> None:
        answer = deliver(event, secret="whsec_a", url=f"{URL}stripe-eu/")
        assert refused(answer, caplog, "no configured secret signed it")

    def test_any_variant(self) -> None:
        for variant, secret in (("stripe", "whsec_a"), ("stripe-eu", "whsec_b")):
            payment = make_payment(variant=variant)
            event = make_event("checkout.session.completed", session_object(payment))
            assert deliver(event, secret=secret).json()["state"] == "processed"
            assert WebhookEvent.objects.get(event_id=event["id"]).variant == variant

    def test_same_event_id_of_two_accounts(self) -> None:
        """Two accounts may use one id for two events."""
        for variant, secret in (("stripe", "whsec_a"), ("stripe-eu", "whsec_b")):
            event = make_event("checkout.session.completed", session_object(make_payment(variant=variant)), id="evt_1")
            assert deliver(event, secret=secret).json()["state"] == "processed"
        assert WebhookEvent.objects.count() == 2

    def test_accounts_that_share_their_secrets(self, settings: Any) -> None:
        """With every secret at every variant, a signature cannot tell whose event it is."""
        secrets = ["whsec_a", "whsec_b"]
        settings.PAYMENT_VARIANTS = {
            "stripe": (STRIPE_PROVIDER, {"api_key": "sk_test_a", "endpoint_secret": secrets}),
            "stripe-eu": (STRIPE_PROVIDER, {"api_key": "sk_test_b", "endpoint_secret": secrets}),
        }
        for variant in settings.PAYMENT_VARIANTS:
            event = make_event("checkout.session.completed", session_object(make_payment(variant=variant)))
            assert deliver(event, secret="whsec_b").json()["state"] == "processed"

    def test_two_variants_of_one_account(self, settings: Any) -> None:
        """One event on the addresses of two endpoints is stored once."""
        settings.PAYMENT_VARIANTS = {
            "stripe": (STRIPE_PROVIDER, {"api_key": "sk_test_a", "endpoint_secret": "whsec_a"}),
            "manual": (STRIPE_PROVIDER, {"api_key": "sk_test_a", "endpoint_secret": "whsec_m", "capture": False}),
        }
        event = make_event("checkout.session.completed", session_object(make_payment(variant="manual")))
        for secret in ("whsec_m", "whsec_a"):
            assert deliver(event, secret=secret).json()["state"] == "processed"
        assert deliver(event, secret="whsec_m", url=f"{URL}manual/").json()["state"] == "processed"
        assert WebhookEvent.objects.get().attempts == 1

    @pytest.mark.parametrize("variant", ["nobody", "stripe-EU", "-", "0"])
    def test_unknown_variant(self, event: dict[str, Any], caplog: Any, variant: str) -> None:
        answer = deliver(event, secret="whsec_a", url=f"{URL}{variant}/")
        assert refused(answer, caplog, f"no Stripe variant {variant}", status=404)
        assert "PAYMENT_VARIANTS" not in answer.content.decode()


def test_variant_of_another_provider(event: dict[str, Any], settings: Any, caplog: Any) -> None:
    settings.PAYMENT_VARIANTS = {"dummy": ("payments.dummy.DummyProvider", {})}
    assert refused(deliver(event, url=f"{URL}dummy/"), caplog, "no Stripe variant dummy", status=404)


@pytest.mark.parametrize("method", ["get", "put", "patch", "delete", "head", "options"])
def test_method_not_allowed(method: str, settings: Any) -> None:
    assert getattr(Client(), method)(URL).status_code == 405


def test_without_csrf_token_or_session(event: dict[str, Any]) -> None:
    assert deliver(event, client=Client(enforce_csrf_checks=True)).status_code == 200


def test_body_read_by_middleware_before(event: dict[str, Any]) -> None:
    body = as_body(event)
    header = signature_header(body, SECRET, int(time.time()))
    request = RequestFactory().post(URL, body, content_type="application/json", HTTP_STRIPE_SIGNATURE=header)
    assert request.body == body
    assert WebhookView.as_view()(request, provider="stripe").status_code == 200


def test_logs__ids_only(event: dict[str, Any], caplog: Any) -> None:
    """Neither a good nor a refused nor a contradicting delivery leaves a body, a secret or a person in the log."""
    event["data"]["object"]["customer_details"] = {"email": "ada@example.com", "name": "Ada Lovelace"}
    caplog.set_level(logging.DEBUG)
    token = event["data"]["object"]["client_reference_id"]
    assert deliver(event, secret="whsec_other").status_code == 400
    contradiction = event | {"id": "evt_other", "livemode": True}
    assert deliver(contradiction).json()["state"] == "mismatched"
    assert deliver(event).status_code == 200
    own = "".join(record.getMessage() for record in caplog.records if record.name.startswith("django_stripe_gateway"))
    assert "evt_other" in own
    for private in ("ada@example.com", "Lovelace", token, SECRET, "whsec_other", "customer_details", "v1="):
        assert private not in own


@pytest.mark.django_db(transaction=True)
def test_under_atomic_requests(event: dict[str, Any], settings: Any) -> None:
    from django.db import connections

    for connection in connections.all():
        connection.settings_dict["ATOMIC_REQUESTS"] = True
    try:
        assert deliver(event).json()["state"] == "processed"
    finally:
        for connection in connections.all():
            connection.settings_dict["ATOMIC_REQUESTS"] = False
    assert WebhookEvent.objects.get().state == "processed"


def test_atomic_requests__of_every_database(settings: Any) -> None:
    from django.db import connections

    assert WebhookView.as_view()._non_atomic_requests == set(connections)


def test_refused__logged_once(event: dict[str, Any], caplog: Any) -> None:
    assert post(as_body(event), secret="whsec_wrong").status_code == 400
    assert post(b"hello").status_code == 400
    first, second = [record.getMessage() for record in caplog.records if "was refused" in record.getMessage()]
    assert "no configured secret signed it" in first
    assert "not_json" in second
