"""Whatever happens between the wish and the written answer: one charge, one refund, one end state."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from payments import get_payment_model

from django_stripe_gateway import exceptions
from django_stripe_gateway.choices import OperationState
from django_stripe_gateway.models import PaymentOperation, Refund
from django_stripe_gateway.services import captures, payments, performing, refunds, syncing
from django_stripe_gateway.testing import deliver_event
from tests.conftest import SignalRecorder
from tests.test_services.conftest import Shop, run_out_leases

pytestmark = pytest.mark.django_db(transaction=True)

Act = Callable[[Any], Any]


def _capture(payment: Any) -> Any:
    return captures.capture_payment(payment=payment, amount=Decimal(6))


def _refund(payment: Any) -> Any:
    return refunds.refund_payment(payment=payment, amount=Decimal(6)).payment


def _cancel(payment: Any) -> Any:
    return captures.cancel_payment(payment=payment)


#: name → (how to start, what to do, Stripe's path, what is true once it is done)
CASES: dict[str, tuple[str, Act, str, dict[str, Any]]] = {
    "capture": ("authorized", _capture, "/capture", {"status": "confirmed", "captured_amount": Decimal(6)}),
    "refund": ("completed", _refund, "/refunds", {"status": "confirmed", "refunded_amount": Decimal(6)}),
    "release": ("authorized", _cancel, "/cancel", {"status": "cancelled", "captured_amount": Decimal(0)}),
    "expire": ("waiting", _cancel, "/expire", {"status": "cancelled", "captured_amount": Decimal(0)}),
}
FAULTS = ["error_500_before", "error_500_after", "reset_before", "reset_after", "rate_limit"]


def path_of(payment: Any, end: str) -> str:
    """Return the path that an act posts to."""
    if end == "/refunds":
        return "/v1/refunds"
    return f"/v1/checkout/sessions/*{end}" if end == "/expire" else f"/v1/payment_intents/*{end}"


def effects(shop: Shop, end: str) -> int:
    """Return how many times Stripe has acted on requests to a path."""
    if end == "/refunds":
        return len(shop.stripe.all("refund"))
    kind = {
        "/capture": "payment_intent.succeeded",
        "/cancel": "payment_intent.canceled",
        "/expire": "checkout.session.expired",
    }[end]
    return len(shop.stripe.events(kind))


def holds(payment: Any, expected: dict[str, Any]) -> None:
    """Assert the payment's end state."""
    fresh = get_payment_model().objects.get(pk=payment.pk)
    assert {name: getattr(fresh, name) for name in expected} == expected
    assert not PaymentOperation.objects.pending().exists()


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
        dying.setattr(performing, "write_answer", die)
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


def test_other_wish_settles_the_pending_one_first(shop: Shop) -> None:
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
        _refund(payment)
    # As 24 hours later.
    shop.stripe.forget_idempotency_keys()
    _refund(payment)
    assert len(shop.stripe.all("refund")) == 1


def test_network_retries_of_the_sdk_carry_the_key(shop: Shop, settings: Any) -> None:
    settings.STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 2
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_after")
    _refund(payment)
    assert len({call.idempotency_key for call in shop.mutations("/refunds")}) == 1
    assert len(shop.mutations("/refunds")) == 2
    assert len(shop.stripe.all("refund")) == 1


def test_doubled_by_the_network(shop: Shop) -> None:
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="twice")
    assert _refund(payment).refunded_amount == Decimal(6)
    assert len(shop.stripe.all("refund")) == 1


def test_reconcile__stripe_stays_silent(shop: Shop) -> None:
    payment = shop.completed()
    shop.stripe.fault("POST", "/v1/refunds", kind="reset_before", times=2)
    with pytest.raises(exceptions.ProviderUnavailable):
        _refund(payment)
    with pytest.raises(CommandError, match="Run the command again"):
        call_command("reconcile", verbosity=0)
    call_command("reconcile")
    assert len(shop.stripe.all("refund")) == 1


def test_reconcile__finds_payments_whose_news_never_came(shop: Shop, capsys: Any) -> None:
    payment = shop.waiting()
    idle = shop.waiting()
    shop.stripe.complete_checkout(payment.transaction_id)
    call_command("reconcile", "--older-than", "0", verbosity=2)
    payment.refresh_from_db()
    assert payment.status == "confirmed"
    out = capsys.readouterr().out
    assert f"payment {payment.pk}: changed waiting → confirmed" in out
    assert f"payment {idle.pk}: unchanged" in out
    with pytest.raises(CommandError):
        call_command("reconcile", "--older-than", "-1")


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
    act = _refund if path == "/v1/refunds" else _capture
    payment = shop.completed() if path == "/v1/refunds" else shop.authorized()
    shop.stripe.fault("POST", path_of(payment, "/refunds" if act is _refund else "/capture"), kind="reset_after")
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
    assert effects(shop, "/refunds" if act is _refund else "/capture") == 1


def test_operation_states(shop: Shop) -> None:
    payment = shop.completed()
    assert set(payment.operations.values_list("state", flat=True)) == {OperationState.SUCCEEDED}
