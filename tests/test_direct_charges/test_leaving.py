"""A seller who has left is named once, with what to do, and stands in nobody's way."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from django_stripe_gateway import payments
from django_stripe_gateway.exceptions import AccountContradicted, GatewayError, OtherAccount, WrongState
from django_stripe_gateway.models import ConnectedAccount, Payment, ProviderAccount
from django_stripe_gateway.models.provider_accounts import known_accounts
from tests.fake_stripe import connecting
from tests.fake_stripe.server import FakeStripe
from tests.test_direct_charges.support import CONNECT, sell
from tests.test_webhooks.support import deliver

pytestmark = pytest.mark.django_db(transaction=True)


def reconcile(**options: Any) -> str:
    """Return what the command prints."""
    printed = StringIO()
    call_command("reconcile", older_than=0, stdout=printed, **options)
    return printed.getvalue()


def test_heard_of(platform: FakeStripe, anna: ConnectedAccount, caplog: pytest.LogCaptureFixture) -> None:
    waiting, paid = sell(anna), sell(anna)
    platform.complete_checkout(paid.transaction_id)
    paid = payments.sync_payment(payment=paid)
    (left,) = platform.act(anna.provider_id or "", connecting.leave)
    deliver(left, secret=CONNECT)
    assert "with 1 payments that wait" in caplog.text
    platform.forget_requests()
    printed = reconcile(verbosity=2)
    assert printed.count(str(anna.provider_id)) == 2
    assert "Connect it again, or give up" in printed
    for act in (
        lambda: payments.sync_payment(payment=waiting),
        lambda: payments.start_payment(payment=waiting),
        lambda: payments.cancel_payment(payment=waiting),
        lambda: payments.refund_payment(payment=paid),
    ):
        with pytest.raises(OtherAccount, match="not connected"):
            act()
    assert not platform.requests
    assert list(Payment.objects.of_configured_account()) == []


def test_unheard_of(platform: FakeStripe, anna: ConnectedAccount, bert: ConnectedAccount) -> None:
    """The event is lost: the first run finds out, and says it; nobody is asked after that."""
    for seller in (anna, bert):
        for _number in range(2):
            sell(seller)
    platform.act(anna.provider_id or "", connecting.leave)
    printed = reconcile()
    assert [line for line in printed.splitlines() if "payments of" in line] == [
        f"payments of stripe:{anna.provider_id}: refused The account {anna.provider_id} takes no payments through the "
        "variant 'stripe': it is not connected to its platform (any more), or the variant has no option "
        '"direct_charges". Connect it again, or give up in the admin on what is open there.'
    ]
    anna.refresh_from_db()
    assert anna.deauthorized
    platform.forget_requests()
    assert "payments of" not in reconcile()
    assert {request.stripe_account for request in platform.requests} <= {None, bert.provider_id}


def test_unheard_of__disputes(platform: FakeStripe, anna: ConnectedAccount) -> None:
    paid = sell(anna)
    platform.complete_checkout(paid.transaction_id)
    payments.sync_payment(payment=paid)
    platform.act(anna.provider_id or "", connecting.leave)
    assert f"disputes of stripe:{anna.provider_id}: refused" in reconcile()
    assert "disputes of" not in reconcile()


def test_operation_that_is_open(platform: FakeStripe, anna: ConnectedAccount) -> None:
    platform.fault("POST", "/v1/checkout/sessions", kind="reset_before")
    with pytest.raises(GatewayError):
        sell(anna)
    (left,) = platform.act(anna.provider_id or "", connecting.leave)
    deliver(left, secret=CONNECT)
    assert "skipped" in reconcile(verbosity=2)


def test_doctor(platform: FakeStripe, anna: ConnectedAccount, settings: Any) -> None:
    """While the seller is there nothing is to be said."""
    sell(anna)
    sell(anna)
    assert str(anna.provider_id) not in doctor()
    (left,) = platform.act(anna.provider_id or "", connecting.leave)
    deliver(left, secret=CONNECT)
    with pytest.raises(SystemExit):
        doctor()
    (line,) = [line for line in PRINTED[-1].splitlines() if f"stripe:{anna.provider_id}" in line]
    assert "its seller is not connected any more" in line
    assert "Give up on selected payments" in line


def test_given_up(platform: FakeStripe, anna: ConnectedAccount) -> None:
    """As the log and the doctor say: then nothing is said any more."""
    payment = sell(anna)
    platform.fault("POST", "/v1/checkout/sessions", kind="reset_before")
    with pytest.raises(GatewayError):
        sell(anna)
    (left,) = platform.act(anna.provider_id or "", connecting.leave)
    deliver(left, secret=CONNECT)
    for one in Payment.objects.all():
        payments.give_up_payment(payment=one, reason="The seller has left.")
    payment.refresh_from_db()
    assert not payment.is_payable
    reconcile()
    assert "Give up" not in doctor()


PRINTED: list[str] = []


def doctor() -> str:
    """Return what the command prints; it is kept where that fails."""
    printed = StringIO()
    try:
        call_command("doctor", stdout=printed)
    finally:
        PRINTED.append(printed.getvalue())
    return PRINTED[-1]


def test_new_key(platform: FakeStripe, anna: ConnectedAccount, settings: Any) -> None:
    """Until it is known to be the same platform's, nobody is asked, and nothing is given up."""
    payment = sell(anna)
    platform.complete_checkout(payment.transaction_id)
    platform.add_key("sk_test_new")
    settings.STRIPE_GATEWAY_API_KEY, settings.STRIPE_GATEWAY_ACCOUNT_ID = "sk_test_new", ""
    with pytest.raises(OtherAccount, match="Nobody knows yet whose the key"):
        payments.sync_payment(payment=payment)
    with pytest.raises(WrongState, match="knows this payment"):
        payments.give_up_payment(payment=payment, reason="The seller has left.")
    known_accounts.forget()
    ProviderAccount.objects.all().delete()
    reconcile()
    payment.refresh_from_db()
    assert payment.status == "confirmed"


def test_key_of_another_platform(platform: FakeStripe, anna: ConnectedAccount, settings: Any) -> None:
    """The settings go on naming the right one: the key is wrong, and nobody has left."""
    platform.add_key("sk_test_wrong", "acct_1Wrong")
    settings.STRIPE_GATEWAY_API_KEY, settings.STRIPE_GATEWAY_ACCOUNT_ID = "sk_test_wrong", anna.account_id
    known_accounts.forget()
    with pytest.raises(AccountContradicted):
        payments.sync_connected_account(account=anna)
    anna.refresh_from_db()
    assert anna.deauthorized is None
