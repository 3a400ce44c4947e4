"""The command that settles what was left open."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from django_stripe_gateway import exceptions
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.payments import capture as captures
from django_stripe_gateway.services.payments import refund as refunds
from tests.test_services.acts import refund_six
from tests.test_services.conftest import Shop

pytestmark = pytest.mark.django_db(transaction=True)


def test_reconcile__stripe_stays_silent(shop: Shop) -> None:
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_before", times=2)
    with pytest.raises(exceptions.ProviderUnavailable):
        refund_six(payment)
    with pytest.raises(CommandError, match="Run the command again"):
        call_command("reconcile", verbosity=0)
    call_command("reconcile")
    assert len(shop.stripe.all("refund")) == 1


def test_reconcile__finds_payments_whose_events_never_came(shop: Shop, capsys: Any) -> None:
    payment = shop.waiting()
    idle = shop.waiting()
    shop.stripe.complete_checkout(payment.transaction_id)
    call_command("reconcile", "--older-than", "0", verbosity=2)
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    out = capsys.readouterr().out
    assert f"payment {payment.pk}: changed waiting -> confirmed" in out
    assert f"payment {idle.pk}: unchanged" in out
    with pytest.raises(CommandError):
        call_command("reconcile", "--older-than", "-1")


def test_reconcile__key_is_revoked(shop: Shop, settings: Any, capsys: Any) -> None:
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        refund_six(payment)
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_revoked"
    with pytest.raises(CommandError, match="Check that the key"):
        call_command("reconcile")
    assert "unclear" in capsys.readouterr().out
    assert PaymentOperation.objects.pending().count() == 1
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_fake"
    call_command("reconcile")
    assert len(shop.stripe.all("refund")) == 1


def test_reconcile__in_progress(shop: Shop, capsys: Any) -> None:
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        refund_six(payment)
    PaymentOperation.objects.pending().update(leased_until=timezone.now() + timedelta(minutes=3))
    call_command("reconcile")
    out = capsys.readouterr().out
    assert f"(refund of payment {payment.pk}): in progress until" in out
    assert "in progress  1" in out


def test_reconcile__lapsed_authorisation_and_settled_refund(shop: Shop) -> None:
    lapsed = shop.authorized()
    shop.stripe.expire_authorization(lapsed.intent_id)
    shop.stripe.refunds_stay_pending = True
    paid = shop.completed()
    refund = refunds.refund_payment(payment=paid, amount=Decimal(4))
    shop.stripe.settle_refund(refund.provider_id)
    call_command("reconcile", "--older-than", "0")
    lapsed.refresh_from_db()
    paid.refresh_from_db()
    assert lapsed.status == "rejected"
    assert paid.refunded_amount == Decimal(4)


def test_resumed__in_the_name_of_who_asked(shop: Shop) -> None:
    payment = shop.authorized()
    shop.stripe.fault("POST", "/v1/payment_intents/*/capture", kind="reset_before")
    with pytest.raises(exceptions.ProviderUnavailable):
        captures.capture_payment(payment=payment, origin=Origin(source="api", actor="user:7"))
    call_command("reconcile")
    log = payment.logs.get(event="status_changed", data__to="confirmed")
    assert (log.source, log.actor) == ("api", "user:7")
