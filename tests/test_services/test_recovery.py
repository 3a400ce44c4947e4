"""Whatever happens between the request and the written answer: one charge, one refund, one end state."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from payments import get_payment_model

from django_stripe_gateway import exceptions
from django_stripe_gateway.choices import OperationState
from django_stripe_gateway.models import PaymentOperation, Refund
from django_stripe_gateway.services.operations import engine
from django_stripe_gateway.services.payments import create as payments
from django_stripe_gateway.services.payments import refresh as syncing
from django_stripe_gateway.services.payments import refund as refunds
from django_stripe_gateway.testing import deliver_event
from tests.conftest import SignalRecorder
from tests.test_services.acts import CASES, FAULTS, capture_six, effects, holds, path_of, refund_six
from tests.test_services.conftest import Shop, run_out_leases

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("case", CASES)
def test_fault_then_repeat(shop: Shop, case: str, fault: str) -> None:
    start, act, end, expected = CASES[case]
    payment = getattr(shop, start)()
    shop.stripe.fault("POST", path_of(payment, end), kind=fault)  # type: ignore[arg-type]
    with pytest.raises(exceptions.ProviderUnavailable):
        act(payment)
    assert PaymentOperation.objects.pending().count() == 1

    act(payment)
    assert not shop.stripe.faults_pending
    assert effects(shop, end) == 1
    holds(payment, expected)


@pytest.mark.parametrize("case", CASES)
def test_timeout_then_repeat(shop: Shop, settings: Any, case: str) -> None:
    start, act, end, expected = CASES[case]
    payment = getattr(shop, start)()
    settings.STRIPE_GATEWAY_TIMEOUT = 0.3
    shop.stripe.fault("POST", path_of(payment, end), kind="hang", seconds=2, when="after")
    with pytest.raises(exceptions.ProviderTimeout):
        act(payment)
    settings.STRIPE_GATEWAY_TIMEOUT = 20
    act(payment)
    assert effects(shop, end) == 1
    holds(payment, expected)


@pytest.mark.parametrize("fault", ["reset_after", "error_500_after", "error_500_before"])
@pytest.mark.parametrize("case", CASES)
def test_fault_then_reconcile(shop: Shop, case: str, fault: str, capsys: Any) -> None:
    start, act, end, expected = CASES[case]
    payment = getattr(shop, start)()
    shop.stripe.fault("POST", path_of(payment, end), kind=fault)  # type: ignore[arg-type]
    with pytest.raises(exceptions.ProviderUnavailable):
        act(payment)
    call_command("reconcile")
    assert "settled  1" in capsys.readouterr().out
    assert effects(shop, end) == 1
    holds(payment, expected)


@pytest.mark.parametrize("case", CASES)
def test_killed_before_the_answer_was_written(
    shop: Shop, case: str, monkeypatch: pytest.MonkeyPatch, recorded_signals: SignalRecorder
) -> None:
    start, act, end, expected = CASES[case]
    payment = getattr(shop, start)()
    before = len(recorded_signals.names)

    class Killed(BaseException):
        pass

    def die(*args: Any) -> None:
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(engine, "settle", die)
        with pytest.raises(Killed):
            act(payment)
    with pytest.raises(exceptions.OperationInProgress):
        act(payment)
    run_out_leases()
    act(payment)
    assert effects(shop, end) == 1
    holds(payment, expected)
    assert len(recorded_signals.names) > before


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("case", CASES)
def test_sigkill_in_the_middle_of_the_call(shop: Shop, case: str, when: str) -> None:
    start, act, end, expected = CASES[case]
    payment = getattr(shop, start)()
    connection.close()
    with shop.stripe.hold("POST", path_of(payment, end), when=when) as hold:  # type: ignore[arg-type]
        child = fork(lambda: act(payment))
        hold.wait()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        hold.release()
    with pytest.raises(exceptions.OperationInProgress):
        act(payment)
    run_out_leases()
    act(payment)
    assert effects(shop, end) == 1
    holds(payment, expected)


def fork(run: Callable[[], Any]) -> int:
    """Run something in a forked process and return its id."""
    with warnings.catch_warnings():
        # The fake Stripe's threads do not exist in the child, which does not miss them.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            run()
        finally:
            os._exit(0)
    return child


@pytest.mark.parametrize("fault", FAULTS)
def test_create__fault_then_repeat(shop: Shop, fault: str) -> None:
    shop.stripe.fault("POST", "/v1/checkout/sessions", kind=fault)  # type: ignore[arg-type]
    with pytest.raises(exceptions.ProviderUnavailable):
        shop.waiting(idempotency_key="k")
    payment = shop.waiting(idempotency_key="k")
    assert payment.gateway_url
    assert get_payment_model().objects.count() == 1
    if fault in ("reset_after", "reset_before", "rate_limit"):
        assert len(shop.stripe.all("checkout.session")) == 1


def test_other_request_settles_the_pending_one_first(shop: Shop) -> None:
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        refunds.refund_payment(payment=payment, amount=Decimal(6))
    with pytest.raises(exceptions.InvalidAmount):
        refunds.refund_payment(payment=payment, amount=Decimal(5))
    refunds.refund_payment(payment=payment, amount=Decimal(4))
    assert sorted(Refund.objects.values_list("amount", "status")) == [
        (Decimal(4), "succeeded"),
        (Decimal(6), "succeeded"),
    ]
    assert len(shop.stripe.all("refund")) == 2


def test_same_amount_with_another_key_is_another_refund(shop: Shop) -> None:
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        refunds.refund_payment(payment=payment, amount=Decimal(3), idempotency_key="one")
    refunds.refund_payment(payment=payment, amount=Decimal(3), idempotency_key="two")
    refunds.refund_payment(payment=payment, amount=Decimal(3), idempotency_key="one")
    assert len(shop.stripe.all("refund")) == 2


def test_stripe_has_forgotten_the_key(shop: Shop) -> None:
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        refund_six(payment)
    # As 24 hours later.
    shop.stripe.forget_idempotency_keys()
    refund_six(payment)
    assert len(shop.stripe.all("refund")) == 1


def test_network_retries_of_the_sdk_carry_the_key(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 2
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_after")
    refund_six(payment)
    assert len({call.idempotency_key for call in shop.mutations("/refunds")}) == 1
    assert len(shop.mutations("/refunds")) == 2
    assert len(shop.stripe.all("refund")) == 1


def test_doubled_by_the_network(shop: Shop) -> None:
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="twice")
    assert refund_six(payment).refunded_amount == Decimal(6)
    assert len(shop.stripe.all("refund")) == 1


def test_failed_operation_frees_its_key(shop: Shop) -> None:
    payment = shop.completed()
    settled = shop.stripe.dashboard_refund(payment.intent_id, 900)
    with pytest.raises(exceptions.GatewayError):
        refunds.refund_payment(payment=payment, amount=Decimal(2), idempotency_key="k")
    refund_id = next(event["data"]["object"]["id"] for event in settled if event["type"] == "refund.created")
    shop.stripe.fail_refund(refund_id)
    refund = refunds.refund_payment(payment=payment, amount=Decimal(2), idempotency_key="k")
    assert refund.status == "succeeded"


def test_event_of_a_new_attempt_overtakes_its_answer(shop: Shop, client: Any) -> None:
    payment = shop.waiting()
    shop.stripe.expire_session(payment.transaction_id)
    payment = syncing.sync_payment(payment=payment)

    def start() -> Any:
        try:
            return payments.start_payment(payment=payment)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        with shop.stripe.hold("POST", "/v1/checkout/sessions", when="after") as hold:
            starting = threads.submit(start)
            hold.wait()
            session = shop.stripe.all("checkout.session")[-1]
            for event in shop.stripe.complete_checkout(session["id"]):
                assert deliver_event(client, event, secret="whsec_test").status_code == 200
            payment.refresh_from_db()
            assert payment.status == "confirmed"
            hold.release()
        started = starting.result()
    assert started.status == "confirmed"
    assert started.transaction_id == session["id"]


@pytest.mark.parametrize("path", ["/v1/refunds", "/v1/checkout/sessions/*"])
def test_look_up_that_fails_leaves_the_outcome_unknown(shop: Shop, settings: Any, path: str) -> None:
    act = refund_six if path == "/v1/refunds" else capture_six
    payment = shop.completed() if path == "/v1/refunds" else shop.authorized()
    shop.stripe.fault("POST", path_of(payment, "/refunds" if act is refund_six else "/capture"), kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        act(payment)
    shop.stripe.fault("GET", path, kind="garbage")
    with pytest.raises(exceptions.ProviderUnavailable):
        act(payment)
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_revoked"
    with pytest.raises(exceptions.GatewayConfigurationError):
        act(payment)
    assert PaymentOperation.objects.pending().count() == 1
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_fake"
    act(payment)
    assert not PaymentOperation.objects.pending().exists()
    assert effects(shop, "/refunds" if act is refund_six else "/capture") == 1


def test_hidden_retry_that_is_refused_says_nothing(shop: Shop, settings: Any) -> None:
    """The SDK's first try acted and its connection broke; its second met a key that had been revoked meanwhile."""
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 1
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_after")
    with ThreadPoolExecutor(1) as threads:
        with shop.stripe.hold("POST", "/v1/refunds", when="after") as hold:
            refunding = threads.submit(_closing, lambda: refund_six(payment))
            hold.wait()
            shop.stripe.revoke_key("sk_test_fake")
            hold.release()
        with pytest.raises(exceptions.GatewayConfigurationError):
            refunding.result()
    assert PaymentOperation.objects.pending().count() == 1
    shop.stripe.add_key("sk_test_fake")
    assert refund_six(payment).refunded_amount == Decimal(6)
    assert len(shop.stripe.all("refund")) == 1


def _closing(call: Callable[[], Any]) -> Any:
    try:
        return call()
    finally:
        connection.close()


def test_refund_given_up_by_mistake_follows_the_provider(shop: Shop) -> None:
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_after")
    with pytest.raises(exceptions.ProviderUnavailable):
        refund_six(payment)
    PaymentOperation.objects.pending().update(state=OperationState.FAILED)
    Refund.objects.update(status="failed")
    payment = syncing.sync_payment(payment=payment, with_refunds=True)
    assert payment.refunded_amount == Decimal(6)
    assert Refund.objects.get().status == "succeeded"


def test_operation_states(shop: Shop) -> None:
    payment = shop.completed()
    assert set(payment.operations.values_list("state", flat=True)) == {OperationState.SUCCEEDED}
