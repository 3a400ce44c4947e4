"""Destination charges: whose money it becomes and what the platform keeps, as asked for and as Stripe says."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError

from django_stripe_gateway import exceptions
from django_stripe_gateway.conf import PAYPAL_PROVIDER
from django_stripe_gateway.models import ConnectedAccount, PaymentOperation, get_payment_model
from django_stripe_gateway.payments import (
    create_connected_account,
    refund_payment,
    start_payment,
    sync_connected_account,
    sync_payment,
)
from tests.factories import make_payment, make_user
from tests.fake_stripe import connecting
from tests.fake_stripe.server import FakeStripe
from tests.test_services.conftest import Shop
from tests.test_services.test_connect.sellers import FEE, balance, seller_of, terms_of
from tests.test_webhooks.support import deliver_all
from tests.test_webhooks.test_order import IGNORED

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("name", ["row", "id"])
def test_page(shop: Shop, seller: ConnectedAccount, name: str) -> None:
    account = seller if name == "row" else seller.provider_id
    payment = shop.completed(destination=account, on_behalf_of=account, application_fee=FEE)
    assert terms_of(payment) == (seller.provider_id, seller.provider_id, FEE)
    (call,) = shop.mutations("/checkout/sessions")
    sent = call.params["payment_intent_data"]
    assert sent["transfer_data"] == {"destination": seller.provider_id}
    assert (sent["on_behalf_of"], sent["application_fee_amount"]) == (seller.provider_id, 150)
    assert balance(shop) == ([(1000, 0)], [(150, 0)])


def test_page__lost_answer(shop: Shop, seller: ConnectedAccount) -> None:
    shop.stripe.fault("POST", "/v1/checkout/sessions", kind="error_500_before")
    terms = {"destination": seller, "application_fee": FEE, "idempotency_key": "k"}
    with pytest.raises(exceptions.ProviderUnavailable):
        shop.waiting(**terms)
    # What the first request has asked for counts, and what has become of the seller since does not.
    shop.stripe.act(seller.provider_id, connecting.require)
    seller = sync_connected_account(account=seller)
    payment = shop.waiting(**terms | {"destination": seller})
    assert terms_of(payment) == (seller.provider_id, "", FEE)
    shop.stripe.complete_checkout(payment.transaction_id)
    assert balance(shop) == ([(1000, 0)], [(150, 0)])


def test_intent(shop: Shop, seller: ConnectedAccount, settings: Any) -> None:
    provider, options = settings.PAYMENT_VARIANTS["stripe"]
    settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {"stripe": (provider, {**options, "flow": "intent"})}
    payment = shop.waiting(destination=seller, application_fee=FEE)
    intent = shop.stripe.get(payment.intent_id)
    assert intent["transfer_data"] == {"destination": seller.provider_id}
    assert (intent["on_behalf_of"], intent["application_fee_amount"]) == (None, 150)


@pytest.mark.parametrize("terms", [{"destination": True}, {"on_behalf_of": True}, {"destination": True, "fee": "0"}])
def test_without_fee(shop: Shop, seller: ConnectedAccount, terms: Any) -> None:
    asked = {name: seller for name in terms if name != "fee"}
    payment = shop.completed(**asked, application_fee=Decimal(terms["fee"]) if "fee" in terms else None)
    sent = shop.mutations("/checkout/sessions")[0].params["payment_intent_data"]
    assert "application_fee_amount" not in sent
    refund_payment(payment=payment)
    (refund,) = shop.mutations("/refunds")
    assert "refund_application_fee" not in refund.params
    assert refund.params.get("reverse_transfer") == (True if "destination" in terms else None)


def test_ordinary(shop: Shop) -> None:
    payment = shop.completed()
    assert terms_of(payment) == ("", "", None)
    assert "terms" not in PaymentOperation.objects.get().params
    refund_payment(payment=payment)
    assert not {"reverse_transfer", "refund_application_fee"} & set(shop.mutations("/refunds")[0].params)


def _stranger(stripe: FakeStripe, seller: ConnectedAccount) -> Any:
    return make_user()


def _not_onboarded(stripe: FakeStripe, seller: ConnectedAccount) -> Any:
    return create_connected_account(owner=make_user(), gateway="stripe")


def _gone(stripe: FakeStripe, seller: ConnectedAccount) -> Any:
    stripe.act(seller.provider_id, connecting.leave)
    return sync_connected_account(account=seller)


def _live(stripe: FakeStripe, seller: ConnectedAccount) -> Any:
    seller.livemode = True
    return seller


def _of_other_platform(stripe: FakeStripe, seller: ConnectedAccount) -> Any:
    seller.account_id = "acct_another"
    return seller


def _of_other_variant(stripe: FakeStripe, seller: ConnectedAccount) -> Any:
    seller.account_id, seller.variant = "", "another"
    return seller


@pytest.mark.parametrize("field", ["destination", "on_behalf_of"])
@pytest.mark.parametrize(
    ("account", "code"),
    [
        (_stranger, "invalid"),
        (_not_onboarded, "account_not_payable"),
        (_gone, "account_not_payable"),
        (_live, "other_platform"),
        (_of_other_platform, "other_platform"),
        (_of_other_variant, "other_platform"),
        (lambda stripe, seller: "acct_", "unknown_account"),
        (lambda stripe, seller: "cus_123", "unknown_account"),
        (lambda stripe, seller: "acct_1 ", "unknown_account"),
        (lambda stripe, seller: "acct_1/../x", "unknown_account"),
        (lambda stripe, seller: "acct_é", "unknown_account"),
        (lambda stripe, seller: "acct_" + "1" * 251, "unknown_account"),
    ],
)
def test_thief(
    shop: Shop, seller: ConnectedAccount, account: Callable[[FakeStripe, Any], Any], code: str, field: str
) -> None:
    with pytest.raises(exceptions.InvalidInput) as caught:
        shop.waiting(**{field: account(shop.stripe, seller)})
    assert (caught.value.code, caught.value.field) == (code, field)
    assert not get_payment_model().objects.exists()
    assert not shop.mutations("/checkout/sessions")


@pytest.mark.parametrize(
    ("fee", "code"),
    [
        ("10.01", "fee_too_large"),
        ("-0.01", "invalid_amount"),
        ("1.001", "invalid_amount"),
        ("NaN", "invalid_amount"),
        (1, "invalid_amount"),
    ],
)
def test_fee__bad(shop: Shop, seller: ConnectedAccount, fee: Any, code: str) -> None:
    with pytest.raises(exceptions.InvalidAmount) as caught:
        shop.waiting(destination=seller, application_fee=Decimal(fee) if isinstance(fee, str) else fee)
    assert (caught.value.code, caught.value.field) == (code, "application_fee")
    assert not get_payment_model().objects.exists()


def test_fee__all_of_it(shop: Shop, seller: ConnectedAccount) -> None:
    assert shop.waiting(destination=seller, application_fee=Decimal(10)).application_fee == 10


@pytest.mark.parametrize("terms", [{}, {"on_behalf_of": True}])
def test_fee__of_nobody(shop: Shop, seller: ConnectedAccount, terms: Any) -> None:
    with pytest.raises(exceptions.InvalidInput, match="name one") as caught:
        shop.waiting(application_fee=FEE, **dict.fromkeys(terms, seller))
    assert caught.value.field == "application_fee"
    assert not get_payment_model().objects.exists()


def test_two_accounts(shop: Shop, seller: ConnectedAccount) -> None:
    with pytest.raises(exceptions.InvalidInput, match="must be the destination"):
        shop.waiting(destination=seller, on_behalf_of=seller_of(shop.stripe))


def test_unknown_to_stripe(shop: Shop) -> None:
    with pytest.raises(exceptions.ProviderError, match="No such destination"):
        shop.waiting(destination="acct_nobody")
    assert get_payment_model().objects.get().status == "error"


@pytest.mark.parametrize("other", ["paypal", "localstripe"])
def test_unsupported(shop: Shop, settings: Any, other: str) -> None:
    if other == "paypal":
        settings.PAYMENT_VARIANTS = {"stripe": (PAYPAL_PROVIDER, {})}
    else:
        settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    with pytest.raises(exceptions.UnsupportedByGateway):
        shop.waiting(destination="acct_1")
    assert not get_payment_model().objects.exists()


def test_database__negative_fee(shop: Shop) -> None:
    with pytest.raises(IntegrityError):
        make_payment(application_fee=Decimal(-1))


def test_started_by_the_host(shop: Shop, seller: ConnectedAccount) -> None:
    payment = make_payment(owner=shop.user, destination_id="acct_", total=Decimal(10))
    with pytest.raises(exceptions.InvalidInput):
        start_payment(payment=payment)
    payment.destination_id, payment.application_fee = seller.provider_id, FEE
    payment.save()
    started = start_payment(payment=payment)
    assert start_payment(payment=started).transaction_id == started.transaction_id

    # Another fee is another page; the one before is closed.
    started.application_fee = Decimal(2)
    started.save()
    again = start_payment(payment=started)
    assert again.transaction_id != started.transaction_id
    assert len(shop.mutations("/expire")) == 1
    shop.stripe.complete_checkout(again.transaction_id)
    assert terms_of(sync_payment(payment=again)) == (seller.provider_id, "", 2)
    assert balance(shop) == ([(1000, 0)], [(200, 0)])


def test_provider_decides(shop: Shop, seller: ConnectedAccount) -> None:
    """What Stripe has passed on and kept is what the payment says, whatever its row said before."""
    payment = shop.waiting(destination=seller, application_fee=FEE)
    get_payment_model().objects.update(destination_id="acct_other", application_fee=Decimal(7))
    shop.stripe.complete_checkout(payment.transaction_id)
    deliver_all([event for event in shop.stripe.events() if event["type"] not in IGNORED])
    assert terms_of(payment) == (seller.provider_id, "", FEE)
