"""The signal at 80 and at 100 percent."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway import usage
from django_stripe_gateway.models import UsageGrant
from tests.conftest import SignalRecorder
from tests.test_services.test_usage.support import make_default_plan, subscribe

pytestmark = pytest.mark.django_db(transaction=True)


def thresholds(recorded: SignalRecorder) -> list[int]:
    return [values["threshold"] for values in recorded.values("usage_threshold_reached")]


def test_thresholds(user: Any, recorded_signals: SignalRecorder) -> None:
    make_default_plan(("minutes", 6, "day"))
    usage.consume(user, "minutes", 4)
    assert thresholds(recorded_signals) == []
    usage.consume(user, "minutes", 1)
    assert thresholds(recorded_signals) == [80]
    values = recorded_signals.values("usage_threshold_reached")[0]
    assert (values["owner"], values["metric"], values["used"], values["limit"]) == (user, "minutes", 5, 6)
    assert values["resets_at"] == usage.allowance(user, "minutes").resets_at
    usage.consume(user, "minutes", 1)
    assert thresholds(recorded_signals) == [80, 100]


def test_thresholds__both_at_once(user: Any, recorded_signals: SignalRecorder) -> None:
    make_default_plan(("minutes", 6, "day"))
    usage.consume(user, "minutes", 6)
    assert thresholds(recorded_signals) == [80, 100]


def test_thresholds__of_a_commit(user: Any, recorded_signals: SignalRecorder) -> None:
    make_default_plan(("minutes", 10, "day"))
    reservation = usage.reserve(user, "minutes", 8)
    assert thresholds(recorded_signals) == []
    usage.commit(reservation, 10)
    assert thresholds(recorded_signals) == [80, 100]


def test_thresholds__after_a_plan_change(user: Any, recorded_signals: SignalRecorder) -> None:
    make_default_plan(("minutes", 5, "day"))
    usage.consume(user, "minutes", 5)
    subscribe(user, ("minutes", 10, "day"))
    usage.consume(user, "minutes", 2)
    usage.consume(user, "minutes", 1)
    assert thresholds(recorded_signals) == [80, 100, 80]


def test_thresholds__grants_are_beyond_them(user: Any, recorded_signals: SignalRecorder) -> None:
    make_default_plan(("minutes", 5, "day"), ("megabytes", None, "day"), ("seats", 0, "lifetime"))
    UsageGrant.objects.create(owner=user, metric="minutes", quantity=5)
    for _number in range(10):
        usage.consume(user, "minutes")
        usage.consume(user, "megabytes")
    assert thresholds(recorded_signals) == [80, 100]


def test_thresholds__set_by_the_host(user: Any, recorded_signals: SignalRecorder, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USAGE_THRESHOLDS = [50, 10, 50]
    make_default_plan(("minutes", 10, "day"))
    for _number in range(10):
        usage.consume(user, "minutes")
    assert thresholds(recorded_signals) == [10, 50]


def test_receiver_that_raises(user: Any, caplog: Any) -> None:
    from django_stripe_gateway import signals

    def fail(sender: Any, **values: Any) -> None:
        raise ZeroDivisionError

    make_default_plan(("minutes", 1, "day"))
    signals.usage_threshold_reached.connect(fail)
    try:
        usage.consume(user, "minutes")
    finally:
        signals.usage_threshold_reached.disconnect(fail)
    assert usage.allowance(user, "minutes").used == 1
    assert "usage signal raised" in caplog.text
