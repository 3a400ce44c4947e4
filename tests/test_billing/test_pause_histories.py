"""However somebody pauses and goes on, and whatever of it is heard when: no time is valid that nobody pays for."""

from __future__ import annotations

import itertools
import random
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.contrib.auth import get_user_model
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.subscriptions import (
    pause_subscription,
    subscribe,
    sync_subscription,
    unpause_subscription,
)
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.machines import HistoryMachine

pytestmark = [pytest.mark.django_db(transaction=True)]

numbers = itertools.count()
BEHAVIORS = ["void", "keep_as_draft", "mark_uncollectible"]


class PauseHistory(HistoryMachine):
    """One customer with a good card, and a plan by the month."""

    host: ClassVar[SubscriptionHost]

    def __init__(self) -> None:
        super().__init__()
        self.late: list[dict[str, Any]] = []

    def teardown(self) -> None:
        try:
            if hasattr(self, "pk"):
                self.all_is_said(0)
        finally:
            super().teardown()

    @initialize(trial_days=st.sampled_from([0, 0, 9]), costs=st.sampled_from(["20.00", "20.00", "0.00"]))
    def begin(self, trial_days: int, costs: str) -> None:
        owner = get_user_model().objects.create_user(f"pauser-{next(numbers)}")
        customer_id = ensure_customer(owner=owner).provider_id
        assert customer_id
        self.fake.customer_changes_card(customer_id, "pm_card_visa")
        price = self.host.sell(f"plan-{next(numbers)}", Decimal(costs), trial_days=trial_days)
        method = self.fake.get(customer_id)["invoice_settings"]["default_payment_method"]
        made = subscribe(owner=owner, plan=price.plan, payment_method=method)
        self.pk, self.id = made.pk, str(made.provider_id)
        self.ever_paused = False
        self.hear()
        self.all_is_said(0)

    def row(self) -> Subscription:
        return Subscription.objects.select_related("customer", "plan", "pricing").get(pk=self.pk)

    def hear(self) -> None:
        self.late += [event for event in self.host.new_events() if event["data"]["object"].get("id")]

    # What is done.

    @rule(behavior=st.sampled_from(BEHAVIORS), is_bounded=st.booleans())
    def pause(self, behavior: str, is_bounded: bool) -> None:
        try:
            pause_subscription(subscription=self.row(), behavior=behavior, is_bounded=is_bounded)
            self.ever_paused = True
        except GatewayError as error:
            note(f"pause: {error.code}")
        self.hear()

    @rule()
    def unpause(self) -> None:
        try:
            unpause_subscription(subscription=self.row())
        except GatewayError as error:
            note(f"unpause: {error.code}")
        self.hear()

    @rule(hours=st.sampled_from([0.5, 2, 24 * 3, 24 * 14, 24 * 31]))
    def wait(self, hours: float) -> None:
        self.fake.advance(seconds=int(hours * 3600))
        self.hear()

    @rule(hours=st.sampled_from([-30, -1, 0.5, 3]))
    def wait_for_the_renewal(self, hours: float) -> None:
        """Wait until shortly before the end of the period, or after it."""
        ends = self.fake.get(self.id)["items"]["data"][0]["current_period_end"]
        self.fake.advance(seconds=max(60, int(ends - self.now().timestamp() + hours * 3600)))
        self.hear()

    @rule(behavior=st.sampled_from(BEHAVIORS))
    def pause_over_the_renewal(self, behavior: str) -> None:
        """Pause for nothing but the moment at which the next period is charged."""
        self.wait_for_the_renewal(hours=-1)
        self.pause(behavior, is_bounded=True)
        self.wait(hours=2)
        self.unpause()

    # What is heard of it.

    @rule(order=st.randoms(use_true_random=False), share=st.sampled_from([0.3, 0.7]), is_lost=st.booleans())
    def some_is_said(self, order: Any, share: float, is_lost: bool) -> None:
        chosen = order.sample(self.late, int(len(self.late) * share))
        ids = {event["id"] for event in chosen}
        self.late = [event for event in self.late if event["id"] not in ids]
        if not is_lost:
            self.host.deliver(chosen)
        self.hear()

    @precondition(lambda self: hasattr(self, "pk"))
    @rule(seed=st.integers(0, 100))
    def all_is_said(self, seed: int) -> None:
        """Let everything arrive, and Stripe be asked: what is paid is valid."""
        random.Random(seed).shuffle(self.late)
        self.host.deliver(self.late)
        self.late = []
        self.hear()
        sync_subscription(subscription=self.row())
        if self.is_paid():
            assert self.row().is_valid, self.describe()

    @invariant()
    def valid_time_is_paid_for(self) -> None:
        if not (hasattr(self, "pk") and self.ever_paused):
            return
        row = self.row()
        assert row.is_valid == Subscription.objects.valid().filter(pk=row.pk).exists()
        if row.is_valid:
            assert self.is_paid() or self.is_collected(), self.describe()

    # What Stripe holds.

    def is_paid(self) -> bool:
        """Return whether a settled invoice is for this moment, or it is in the trial."""
        found, moment = self.fake.get(self.id), self.now().timestamp()
        in_trial = found["trial_end"] is not None and moment < found["trial_end"]
        return in_trial or any(
            line["period"]["start"] <= moment < line["period"]["end"]
            for invoice in self.fake.all("invoice")
            if of(invoice) == self.id and (invoice["status"] == "paid" or invoice["total"] == 0)
            for line in invoice["lines"]["data"]
        )

    def is_collected(self) -> bool:
        """Return whether the invoice of this period will be charged by itself: a draft for an hour."""
        invoice = self.fake.get(self.fake.get(self.id)["latest_invoice"])
        return invoice["status"] == "draft" and invoice["auto_advance"] and not self.row().was_paused

    def describe(self) -> Any:
        row, found = self.row(), self.fake.get(self.id)
        known = {name: getattr(row, name) for name in "status pause_behavior was_paused paid_from paid_until".split()}
        lines = [
            (one["status"], one["total"], [tuple(line["period"].values()) for line in one["lines"]["data"]])
            for one in self.fake.all("invoice")
            if of(one) == self.id
        ]
        return known, found["pause_collection"], self.now().timestamp(), lines


def of(invoice: dict[str, Any]) -> str:
    return str(invoice["parent"]["subscription_details"]["subscription"])


def check(host: SubscriptionHost, examples: int) -> None:
    PauseHistory.host = host
    checks = list(HealthCheck)
    run(
        PauseHistory,
        settings=settings(max_examples=examples, stateful_step_count=20, deadline=None, suppress_health_check=checks),
    )


@pytest.mark.timeout(300)
def test_history(host: SubscriptionHost) -> None:
    check(host, 8)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_histories(either_host: SubscriptionHost) -> None:
    check(either_host, 60)
