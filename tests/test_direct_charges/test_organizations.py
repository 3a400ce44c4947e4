"""Sellers of a platform that is reached with an organisation's key: each call names the path to the account."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.models import Payment
from django_stripe_gateway.models.provider_accounts import known_accounts
from tests.fake_stripe.server import FakeStripe
from tests.test_direct_charges.support import CONNECT, sell, seller
from tests.test_webhooks.support import deliver
from tests.test_webhooks.test_thin_twins import thin

pytestmark = pytest.mark.django_db(transaction=True)

KEY, US = "sk_org_test_" + "a" * 24, "acct_1UnitedStates"


@pytest.mark.parametrize("path", ["{seller}", US + "/{seller}"])
def test_thin(stripe_server: FakeStripe, settings: Any, user: Any, path: str) -> None:
    """The platform's own endpoint says less of whose an event is than the organisation's key has to."""
    stripe_server.add_key(KEY, account=US, name="org")
    options = {"direct_charges": True, "connect_endpoint_secret": CONNECT}
    settings.PAYMENT_VARIANTS = {"stripe": (STRIPE_PROVIDER, options)}
    settings.STRIPE_GATEWAY_API_KEY, settings.STRIPE_GATEWAY_CONTEXT = KEY, US
    settings.STRIPE_GATEWAY_ACCOUNT_ID = ""
    known_accounts.forget()
    anna = seller(stripe_server, user)
    payment = sell(anna)
    stripe_server.complete_checkout(payment.transaction_id)
    (paid,) = stripe_server.events("checkout.session.completed")
    event = thin(paid, context=path.format(seller=anna.provider_id))
    event.pop("account", None)
    stripe_server.forget_requests()
    assert deliver(event, secret=CONNECT).json().get("state") == "processed"
    asked = {(request.stripe_account, request.stripe_context) for request in stripe_server.requests}
    assert asked == {(None, f"{US}/{anna.provider_id}")}
    assert Payment.objects.get().status == "confirmed"
