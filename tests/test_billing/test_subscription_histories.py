"""Whatever customers, the seller, their bank, time and the network do: what is known here is what Stripe holds.

Customers use the API, the seller the Dashboard; events come late, twice, in any order, or not before something else has
happened. Once they have all come, the rows, the plan and the limits are those that Stripe's objects say.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.utils import timezone
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from rest_framework.test import APIClient

from django_stripe_gateway.exceptions import GatewayError
from django_stripe_gateway.models import Invoice, Plan, PlanLimit, PlanPricing, Subscription, SubscriptionLog
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.sync import sync_subscription
from tests.fake_stripe.errors import ApiError
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.machines import HistoryMachine
from tests.test_billing.stripe_truth import (
    ENDED,
    SoldPlan,
    Truth,
    access_as_known,
    invoices_as_known,
    row_as_known,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

SOLD = {
    "free": SoldPlan({"minutes": 2, "projects": 1}),
    "basic": SoldPlan({"minutes": 10}, {"projects": 3}),
    "premium": SoldPlan({"minutes": 50}, {"projects": 5}),
    "support": SoldPlan({}, {"minutes": 7, "answers": 2}, is_add_on=True),
}
GOOD, BAD = "pm_card_visa", "pm_card_chargeCustomerFail"
# What a caller can be told; anything else is a fault of ours.
ANSWERS = (200, 201, 202, 400, 402, 403, 404, 409)
HISTORIES = settings(
    max_examples=6,
    stateful_step_count=30,
    deadline=None,
    # A history of this length takes minutes to be made shorter; what it did is printed.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)

numbers = itertools.count()
which = st.integers(0, 20)
few = st.integers(1, 3)


class Market:
    """A site that sells plans by the month and by the year, an add-on, and calls by the piece."""

    def __init__(self, host: SubscriptionHost) -> None:
        self.host = host
        basic, premium = host.basic, host.premium
        yearly = host.sell("premium", Decimal("480.00"), interval="year")
        support = host.sell("support", Decimal("7.00"), is_add_on=True)
        Plan.objects.create(slug="free", name="Free", is_default=True)
        self.metered = host.sell_metered("basic", Decimal("0.10"), product_id=basic.stripe_product_id)
        self.plans, self.support = [basic, premium, yearly], support
        PlanPricing.objects.update(is_per_seat=True, may_be_added=True)
        PlanPricing.objects.filter(pk__in=(basic.pk, premium.pk)).update(is_default=True)
        for slug, sold in SOLD.items():
            plan = Plan.objects.get(slug=slug)
            for metric, limit in sold.fixed.items():
                PlanLimit.objects.create(plan=plan, metric=metric, limit=limit, period="day")
            for metric, limit in sold.each.items():
                PlanLimit.objects.create(plan=plan, metric=metric, limit=limit, period="day", is_per_unit=True)
        stranger = host.sell("stranger", Decimal("1.00"))
        Plan.objects.get(slug="stranger").pricing.all().delete()
        negotiated = host.made_at_stripe(premium.stripe_product_id, Decimal("35.00"))
        unknown = host.made_at_stripe(stranger.stripe_product_id, Decimal("99.00"))
        prices = [*self.plans, support, self.metered]
        self.at_stripe = [*(price.stripe_price_id for price in prices), negotiated, unknown]
        named = {price.stripe_price_id: price.plan.slug for price in prices}
        named |= {price.stripe_product_id: price.plan.slug for price in prices}
        self.truth = Truth(host.fake, SOLD, named, "free")


class History(HistoryMachine):
    """One customer, from the first visit on."""

    market: ClassVar[Market]

    def __init__(self) -> None:
        self.host, self.truth = self.market.host, self.market.truth
        super().__init__()
        self.late: list[dict[str, Any]] = []
        self.delivered: list[dict[str, Any]] = []
        self.used: Counter[date] = Counter()
        self.stack.callback(setattr, self.fake, "after_retries", self.fake.after_retries)

    def teardown(self) -> None:
        try:
            if hasattr(self, "owner"):
                self.all_is_said(seed=0)
        finally:
            super().teardown()

    @initialize(
        after_retries=st.sampled_from(["canceled", "unpaid", "past_due"]),
        plan=which,
        trial_days=st.sampled_from([0, 0, 5]),
    )
    def arrive(self, after_retries: str, plan: int, trial_days: int) -> None:
        self.fake.after_retries = after_retries
        self.owner = get_user_model().objects.create_user(f"customer-{next(numbers)}")
        self.owner.user_permissions.add(Permission.objects.get(codename="change_terms"))
        self.client = APIClient()
        self.client.force_authenticate(self.owner)
        self.customer_id = ensure_customer(owner=self.owner).provider_id
        assert self.customer_id
        self.card(GOOD)
        self.offer_trials(trial_days)
        self.subscribe(plan, 1, with_add_on=bool(plan % 2), pays=True)

    # What the customer does, with the API.

    def post(self, path: str, **body: Any) -> Any:
        with self.crediting_what_was_paid():
            answer = self.host.post(path, body, client=self.client)
        note(f"{path} {body}: {answer.status_code} {answer.json().get('error', '') if answer.content else ''}")
        assert answer.status_code in ANSWERS, answer.content
        self.hear()
        return answer

    @contextmanager
    def crediting_what_was_paid(self) -> Iterator[None]:
        """Let a request credit nothing of a subscription that has an invoice to pay; the Dashboard may do so."""
        owing, before = self.truth.owing(self.customer_id), self.truth.charged()
        yield
        after = self.truth.charged()
        assert [one for one in owing if after[one] < before[one]] == []

    def hear(self) -> None:
        """Let what Stripe has to say be on its way."""
        self.late += [event for event in self.host.new_events() if event["data"]["object"].get("id")]

    def ids(self) -> list[str]:
        """Return the subscriptions that are not over, the newest first."""
        found = self.truth.subscriptions(self.customer_id)
        return [one["id"] for one in reversed(found) if one["status"] not in ENDED]

    def mine(self, number: int) -> str:
        """Return one of them."""
        ids = self.ids()
        return ids[number % len(ids)]

    def has_any(self) -> bool:
        return bool(getattr(self, "owner", None) and self.ids())

    @rule(plan=which, quantity=few, with_add_on=st.booleans(), pays=st.sampled_from([True, True, False]))
    def subscribe(self, plan: int, quantity: int, with_add_on: bool, pays: bool) -> None:
        price = self.market.plans[plan % 3]
        body = {"add_ons": [{"pricing_id": self.market.support.pk}]} if with_add_on else {}
        answer = self.post("subscribe", pricing_id=price.pk, quantity=quantity, **body)
        if pays and answer.status_code == 201:
            self.at_the_seller(self.fake.customer_pays, answer.json()["subscription_id"], GOOD)

    @rule(trial_days=st.sampled_from([0, 5]))
    def offer_trials(self, trial_days: int) -> None:
        """Let the seller offer a trial of the cheaper plan, or none."""
        PlanPricing.objects.filter(pk=self.market.plans[0].pk).update(trial_days=trial_days)

    @precondition(has_any)
    @rule(one=which, plan=which, quantity=st.none() | few, at_period_end=st.booleans())
    def change(self, one: int, plan: int, quantity: int | None, at_period_end: bool) -> None:
        body = {} if quantity is None else {"quantity": quantity}
        price = self.market.plans[plan % 3]
        self.post("change", subscription_id=self.mine(one), pricing_id=price.pk, at_period_end=at_period_end, **body)

    @precondition(has_any)
    @rule(one=which, verb=st.sampled_from(["cancel_change", "resume", "pause", "unpause"]))
    def ask(self, one: int, verb: str) -> None:
        self.post(verb, subscription_id=self.mine(one))

    @precondition(has_any)
    @rule(one=which, at_period_end=st.booleans())
    def cancel(self, one: int, at_period_end: bool) -> None:
        self.post("cancel", subscription_id=self.mine(one), at_period_end=at_period_end, reason="unused")

    @precondition(has_any)
    @rule(one=which, quantity=few, is_metered=st.booleans())
    def add_item(self, one: int, quantity: int, is_metered: bool) -> None:
        price = self.market.metered if is_metered else self.market.support
        body = {} if is_metered else {"quantity": quantity}
        self.post("items", subscription_id=self.mine(one), pricing_id=price.pk, **body)

    @precondition(has_any)
    @rule(one=which, item=which, quantity=st.none() | few)
    def change_or_remove_item(self, one: int, item: int, quantity: int | None) -> None:
        items = self.fake.get(self.mine(one))["items"]["data"]
        path = f"items/{items[item % len(items)]['id']}"
        url = f"/api/v1/subscriptions/{path}/"
        with self.crediting_what_was_paid():
            delete, change = self.client.delete, self.client.post
            answer = delete(url) if quantity is None else change(url, {"quantity": quantity}, "json")
        assert answer.status_code in (*ANSWERS, 204), answer.content
        self.hear()

    @precondition(has_any)
    @rule(one=which, days=st.none() | st.integers(2, 9))
    def move_trial(self, one: int, days: int | None) -> None:
        end = "now" if days is None else datetime.fromtimestamp(self.fake.state.now() + days * 86400, UTC).isoformat()
        self.post("trial", subscription_id=self.mine(one), trial_end=end)

    @rule(quantity=st.integers(1, 9))
    def use(self, quantity: int) -> None:
        """Use what is allowed by what is known now, and no more."""
        left = {limit["metric"]: limit["remaining"] for limit in self.limits()}
        url, body = "/api/v1/subscriptions/me/usage/", {"metric": "minutes", "quantity": quantity}
        answer = self.client.post(url, body, format="json")
        assert answer.status_code == (201 if quantity <= left["minutes"] else 429), answer.content
        self.used[timezone.localdate()] += quantity if answer.status_code == 201 else 0

    def limits(self) -> list[dict[str, Any]]:
        limits: list[dict[str, Any]] = self.client.get("/api/v1/subscriptions/me/limits/").json()["limits"]
        return limits

    @rule(method=st.sampled_from([GOOD, GOOD, BAD]))
    def card(self, method: str) -> None:
        self.fake.customer_changes_card(self.customer_id, method)
        self.hear()

    @precondition(has_any)
    @rule(one=which, method=st.sampled_from([GOOD, GOOD, BAD]))
    def pay(self, one: int, method: str) -> None:
        """Pay what is open in the browser, if anything is."""
        self.at_the_seller(self.fake.customer_pays, self.mine(one), method)

    @precondition(has_any)
    @rule(one=which)
    def pay_by_the_site(self, one: int) -> None:
        invoice = self.fake.get(self.mine(one))["latest_invoice"]
        self.post(f"invoices/{invoice}/pay")

    # What the seller does in the Dashboard.

    def at_the_seller(self, act: Any, *arguments: Any, **fields: Any) -> None:
        """Let something be done that Stripe may refuse."""
        try:
            act(*arguments, **fields)
        except (ApiError, ValueError, KeyError) as error:
            note(f"{act.__name__}: {error!r}")
        self.hear()

    @precondition(has_any)
    @rule(one=which, item=which, price=which, quantity=few)
    def dashboard_changes_item(self, one: int, item: int, price: int, quantity: int) -> None:
        found = self.mine(one)
        items = self.fake.get(found)["items"]["data"]
        change = {"id": items[item % len(items)]["id"], **self.priced(price, quantity)}
        self.at_the_seller(self.fake.change_subscription, found, {"items": [change]})

    @precondition(has_any)
    @rule(one=which, price=which, quantity=few)
    def dashboard_adds_item(self, one: int, price: int, quantity: int) -> None:
        self.at_the_seller(self.fake.change_subscription, self.mine(one), {"items": [self.priced(price, quantity)]})

    def priced(self, number: int, quantity: int) -> dict[str, Any]:
        price = self.market.at_stripe[number % len(self.market.at_stripe)]
        is_metered = price == self.market.metered.stripe_price_id
        return {"price": price} if is_metered else {"price": price, "quantity": quantity}

    @precondition(has_any)
    @rule(one=which)
    def dashboard_reorders(self, one: int) -> None:
        self.at_the_seller(self.fake.reorder_items, self.mine(one))

    @precondition(has_any)
    @rule(one=which, days=st.none() | st.integers(1, 40))
    def dashboard_ends(self, one: int, days: int | None) -> None:
        found = self.mine(one)
        if days is None:
            self.at_the_seller(self.fake.cancel_subscription, found)
        else:
            at = self.fake.state.now() + days * 86400
            self.at_the_seller(self.fake.change_subscription, found, {"cancel_at": at})

    @precondition(has_any)
    @rule(one=which, plan=which)
    def dashboard_schedules(self, one: int, plan: int) -> None:
        phase = {"items": [{"price": self.market.plans[plan % 3].stripe_price_id, "quantity": 1}]}
        self.at_the_seller(self.fake.schedule_subscription, self.mine(one), [phase])

    @precondition(has_any)
    @rule(one=which)
    def dashboard_releases(self, one: int) -> None:
        schedule = self.fake.get(self.mine(one))["schedule"]
        if schedule:
            self.at_the_seller(self.fake.release_schedule, schedule)

    @precondition(has_any)
    @rule(one=which)
    def portal_cancels(self, one: int) -> None:
        self.at_the_seller(self.fake.portal_cancel, self.mine(one))

    # What time and the network do.

    @rule(hours=st.sampled_from([1, 30, 24 * 6, 24 * 17, 24 * 32]))
    def wait(self, hours: int) -> None:
        self.fake.advance(hours=hours)
        self.hear()

    @rule(days=st.integers(1, 9))
    def month_without_money(self, days: int) -> None:
        """Let a renewal fail, and some of the attempts after it."""
        self.card(BAD)
        self.fake.advance(days=31)
        self.wait(hours=24 * days)

    @rule(order=st.randoms(use_true_random=False), share=st.sampled_from([0.3, 1.0]))
    def some_is_said(self, order: Any, share: float) -> None:
        """Let some of what is on its way arrive, and something that has arrived once more."""
        chosen = order.sample(self.late, int(len(self.late) * share))
        chosen_ids = {event["id"] for event in chosen}
        self.late = [event for event in self.late if event["id"] not in chosen_ids]
        again = order.sample(self.delivered, min(2, len(self.delivered)))
        states = self.host.deliver(order.sample(chosen + again, len(chosen + again)))
        assert set(states) <= {"processed", "unmatched", "ignored", "duplicate"}, states
        self.delivered += chosen
        self.hear()

    @precondition(has_any)
    @rule(one=which)
    def look(self, one: int) -> None:
        """Let the site ask Stripe itself."""
        row = Subscription.objects.filter(provider_id=self.mine(one)).first()
        if row is not None:
            try:
                sync_subscription(subscription=row)
            except GatewayError as error:
                raise AssertionError(error) from error

    @rule(seed=st.integers(0, 1000))
    def all_is_said(self, seed: int) -> None:
        """Let everything arrive: what is known is what Stripe holds, and what was used today stays used."""
        order = random.Random(seed)
        while self.late:
            self.some_is_said(order, 1.0)
        owner = get_user_model().objects.get(pk=self.owner.pk)
        rows = Subscription.objects.for_owner(owner).exclude(provider_id=None).order_by("pk")
        known = {row.provider_id: row_as_known(row) for row in rows}
        held = {one["id"]: self.truth.row(one) for one in self.truth.subscriptions(self.customer_id)}
        assert known.keys() == held.keys()
        assert differences(known, held) == []
        assert invoices_as_known(Invoice.objects.filter(customer__owner=owner)) == self.truth.invoices(self.customer_id)
        assert access_as_known(owner, self.client, SOLD) == self.truth.access(self.customer_id)
        used = {limit["metric"]: limit["used"] for limit in self.limits()}
        assert used["minutes"] == self.used[timezone.localdate()]
        assert not SubscriptionLog.objects.filter(event="mismatch").exists()


def differences(known: dict[str, Any], held: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """Return what is known of each subscription where Stripe holds something else."""
    names = [(one, name) for one, values in held.items() for name in values]
    return [(name, known[one][name], held[one][name]) for one, name in names if known[one][name] != held[one][name]]


@pytest.mark.timeout(300)
def test_history(either_host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_PAST_DUE_GRACE_DAYS = None
    # What a pause is worth is told by test_pause_histories.
    settings.STRIPE_GATEWAY_PAUSED_IS_VALID = True
    History.market = Market(either_host)
    run(History, settings=HISTORIES)
