"""Two accounts of one organisation, reached with one key: the events of one change nothing of the other."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.stripe.variants import event_variant, may_speak_for
from tests.factories import make_event, make_payment, session_object
from tests.fake_stripe.server import FakeStripe
from tests.test_gateways.test_organizations import EU, US, organize
from tests.test_webhooks.support import deliver

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registry")]


@pytest.fixture(params=["whsec_test", "whsec_eu"], ids=["one endpoint", "two endpoints"], autouse=True)
def organization(request: Any, stripe_server: FakeStripe, settings: Any) -> FakeStripe:
    """Return Stripe with an organisation of two accounts, whose events come from one endpoint or from two."""
    eu = {"context": EU, "endpoint_secret": request.param}
    return organize(stripe_server, settings, us={"flow": "intent"}, eu=eu)


def test_who_speaks_for_whom() -> None:
    pairs = {(one, other) for one in ("stripe", "us", "eu") for other in ("stripe", "us", "eu")}
    speaking = {pair for pair in pairs if may_speak_for(*pair)}
    assert speaking == {pair for pair in pairs if (pair[0] == "eu") == (pair[1] == "eu")}
    assert [event_variant(stripe_account(name)) for name in ("stripe", "us", "eu")] == ["stripe", "stripe", "eu"]


def test_event_of_one__about_a_payment_of_the_other() -> None:
    ours = make_payment(variant="eu", transaction_id="cs_1", account_id=EU)
    forged = make_event("checkout.session.completed", session_object(ours), account=US)
    assert deliver(forged).json()["state"] == "mismatched"
    ours.refresh_from_db()
    assert ours.status == "waiting"


def test_each_has_its_events() -> None:
    """One endpoint brings those of both, and says whose each is."""
    secret = stripe_account("eu").webhook_secrets[0]
    theirs = make_payment(variant="eu", transaction_id="cs_1", account_id=EU)
    event = make_event("checkout.session.completed", session_object(theirs), account=EU)
    assert deliver(event, secret=secret).json()["state"] == "processed"
    theirs.refresh_from_db()
    assert theirs.status == "confirmed"
    assert [(row.variant, row.account_id) for row in WebhookEvent.objects.all()] == [("eu", "")]
