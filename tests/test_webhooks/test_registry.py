"""Handlers: registration, order, what they say, and what they may ask the provider."""

from __future__ import annotations

from typing import Any

import pytest

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import ProviderTimeout
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.events import Event
from django_stripe_gateway.webhooks.registry import (
    FetchNeeded,
    handled_patterns,
    handled_types,
    handlers_for,
    handles,
    temporary_handlers,
)
from tests.conftest import SignalRecorder
from tests.factories import make_event, make_paid_payment, refund_object
from tests.test_webhooks.support import deliver, row_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("registry")]

OURS = """
charge.dispute.closed charge.dispute.created charge.dispute.funds_reinstated charge.dispute.funds_withdrawn
charge.dispute.updated charge.refund.updated charge.refunded checkout.session.async_payment_failed
checkout.session.async_payment_succeeded checkout.session.completed checkout.session.expired
payment_intent.amount_capturable_updated payment_intent.canceled payment_intent.payment_failed
payment_intent.processing payment_intent.requires_action payment_intent.succeeded refund.created refund.failed
refund.updated
""".split()


def event(event_type: str = "shop.opened") -> dict[str, Any]:
    """Return an event that only a host handles."""
    return make_event(event_type, {"id": "obj_1", "object": "thing", "price": 5})


def test_handled_types() -> None:
    assert set(OURS) <= set(handled_types())


def test_host_handler() -> None:
    seen: list[Event] = []

    @handles("shop.opened", "shop.closed")
    def handle(event: Event) -> None:
        seen.append(event)

    sent = event()
    assert deliver(sent).json()["state"] == "processed"
    assert deliver(event("shop.closed")).json()["state"] == "processed"
    assert [one.type for one in seen] == ["shop.opened", "shop.closed"]
    assert (seen[0].id, seen[0].variant, seen[0].object["price"]) == (sent["id"], "stripe", 5)
    assert (seen[0].livemode, seen[0].api_version, seen[0].provider) == (False, "2026-10-28.endive", "stripe")
    assert "obj_1" not in repr(seen[0])


def test_order_is_that_of_registration() -> None:
    calls: list[str] = []

    def named(name: str) -> Any:
        def handle(event: Event) -> None:
            calls.append(name)

        return handle

    first, second = named("first"), named("second")
    handles("shop.opened")(first)
    handles("shop.opened")(second)
    handles("shop.opened")(first)
    assert handlers_for("shop.opened") == [first, second]
    deliver(event())
    assert calls == ["first", "second"]


def test_beside_ours() -> None:
    """A host's handler runs after ours, in its transaction."""
    payment = make_paid_payment()
    seen: list[int] = []

    @handles("refund.created")
    def handle(event: Event) -> None:
        seen.append(payment.refunds.count())

    deliver(make_event("refund.created", refund_object(payment, 100)))
    assert seen == [1]


def named(calls: list[str], name: str) -> Any:
    """Return a handler that notes its name."""

    def handle(event: Event) -> None:
        calls.append(name)

    return handle


@pytest.mark.parametrize(
    ("pattern", "event_type", "is_called"),
    [
        ("*", "shop.opened", True),
        ("shop.*", "shop.opened", True),
        ("shop.*", "shop.door.opened", True),
        ("shop.*", "shop", False),
        ("shop.*", "shopping.opened", False),
        ("shop.op*", "shop.opened", True),
        ("shop.opened", "shop.opened.twice", False),
    ],
)
def test_wildcard(pattern: str, event_type: str, is_called: bool) -> None:
    calls: list[str] = []
    handles(pattern)(named(calls, "called"))
    assert deliver(event(event_type)).json()["state"] == ("processed" if is_called else "ignored")
    assert bool(calls) is is_called


@pytest.mark.parametrize("pattern", ["*.opened", "shop.*.opened", "**"])
def test_wildcard__in_the_middle(pattern: str) -> None:
    with pytest.raises(ValueError, match="wildcard in the middle"):
        handles(pattern)


def test_wildcard__is_no_type() -> None:
    """What is registered with a provider must be a name that the provider knows."""
    before = handled_types()
    handles("quote.*", "*", "quote.accepted")(named([], ""))
    assert handled_types() == sorted([*before, "quote.accepted"])
    assert handled_patterns() == ["*", "quote.*"]


def test_several_patterns__call_once() -> None:
    calls: list[str] = []
    handles("shop.opened", "shop.*", "*")(named(calls, "called"))
    deliver(event())
    assert calls == ["called"]


def test_before_and_after_ours() -> None:
    payment = make_paid_payment()
    calls: list[int] = []
    for before in (False, True):
        handles("refund.*", before=before)(lambda event: calls.append(payment.refunds.count()))
    deliver(make_event("refund.created", refund_object(payment, 100)))
    assert calls == [0, 1]


def test_account(settings: Any) -> None:
    provider = "django_stripe_gateway.providers.StripeProvider"
    settings.PAYMENT_VARIANTS = {
        "stripe": (provider, {}),
        "second": (provider, {"api_key": "sk_test_two", "endpoint_secret": "whsec_two"}),
    }
    calls: list[str] = []
    handles("shop.opened", variant="second")(named(calls, "second"))
    handles("shop.opened", variant="stripe")(named(calls, "stripe"))
    handles("shop.opened")(named(calls, "all"))
    deliver(event())
    assert calls == ["stripe", "all"]
    calls.clear()
    deliver(event(), secret="whsec_two")
    assert calls == ["second", "all"]


@pytest.mark.parametrize("patterns", [["refund.created"], ["refund.*"], ["*"]])
def test_ours_turned_off(patterns: list[str], settings: Any) -> None:
    payment = make_paid_payment()
    settings.STRIPE_GATEWAY_WEBHOOK_UNHANDLED = patterns
    assert "refund.created" not in handled_types()
    assert deliver(make_event("refund.created", refund_object(payment, 100))).json()["state"] == "ignored"
    handles("refund.created")(lambda event: None)
    assert "refund.created" in handled_types()
    assert deliver(make_event("refund.created", refund_object(payment, 100))).json()["state"] == "processed"
    assert payment.refunds.count() == 0


def test_temporary_handlers() -> None:
    before = {name: handlers_for(name) for name in handled_types()}
    with temporary_handlers():
        handles("shop.opened", "refund.created")(lambda event: None)
        assert handlers_for("shop.opened")
    assert {name: handlers_for(name) for name in handled_types()} == before


S = WebhookState


@pytest.mark.parametrize(
    ("states", "result"),
    [
        ([None], S.PROCESSED),
        ([S.IGNORED], S.IGNORED),
        ([S.IGNORED, None], S.PROCESSED),
        ([S.UNMATCHED, S.PROCESSED, S.IGNORED], S.UNMATCHED),
        ([S.MISMATCHED, S.UNMATCHED, None], S.MISMATCHED),
        (["processed"], S.PROCESSED),
    ],
)
def test_gravest_state_counts(states: list[Any], result: str) -> None:
    for state in states:
        handles("shop.opened")(lambda event, state=state: state)
    sent = event()
    assert deliver(sent).json()["state"] == result
    assert row_of(sent).state == result


@pytest.mark.parametrize("state", [S.FAILED, S.RECEIVED, "done", True, 0])
def test_state_that_means_nothing(state: Any) -> None:
    handles("shop.opened")(lambda event: state)
    sent = event()
    assert deliver(sent).status_code == 500
    assert "return None or one of ignored, processed, unmatched, mismatched" in row_of(sent).error


def test_fetch(recorded_signals: SignalRecorder) -> None:
    """Outside of any transaction, and once; the handlers run again."""
    from django.db import connection

    log: list[Any] = []

    def fetch() -> str:
        log.append(("fetch", connection.in_atomic_block, WebhookEvent.objects.count()))
        return "answer"

    @handles("shop.opened")
    def handle(event: Event) -> None:
        log.append(event.fetched)
        if event.fetched is None:
            raise FetchNeeded(fetch)

    sent = event()
    assert deliver(sent).json()["state"] == "processed"
    assert log == [None, ("fetch", False, 0), "answer"]
    assert row_of(sent).attempts == 1
    assert recorded_signals.names == ["webhook_received", "webhook_processed"]


def test_fetch__each_handler_gets_its_own() -> None:
    got: list[tuple[str, Any]] = []

    def named(name: str, asks: bool) -> Any:
        def handle(event: Event) -> None:
            if asks and event.fetched is None:
                raise FetchNeeded(lambda: f"for {name}")
            got.append((name, event.fetched))

        return handle

    for name, asks in (("a", True), ("b", True), ("c", False), ("d", True)):
        handles("shop.opened")(named(name, asks))
    assert deliver(event()).status_code == 200
    assert got[-4:] == [("a", "for a"), ("b", "for b"), ("c", None), ("d", "for d")]


def test_fetch__for_ever() -> None:
    calls: list[int] = []

    @handles("shop.opened")
    def handle(event: Event) -> None:
        raise FetchNeeded(lambda: calls.append(1))

    sent = event()
    assert deliver(sent).status_code == 500
    assert row_of(sent).error == "RuntimeError: A handler of shop.opened keeps asking the provider."
    assert calls == [1] * 5


def test_fetch__fails_and_is_tried_with_the_next_delivery() -> None:
    answers: list[Any] = [ProviderTimeout("Stripe did not answer."), "answer"]

    def fetch() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @handles("shop.opened")
    def handle(event: Event) -> None:
        if event.fetched is None:
            raise FetchNeeded(fetch)

    sent = event()
    assert deliver(sent).status_code == 500
    assert (row_of(sent).state, row_of(sent).error) == ("failed", "ProviderTimeout: Stripe did not answer.")
    assert deliver(sent).json()["state"] == "processed"
    assert row_of(sent).attempts == 2


def test_fetch__outside_of_a_handler() -> None:
    """Asked for by nobody that could be given the answer."""
    assert FetchNeeded(lambda: None).handler is None
