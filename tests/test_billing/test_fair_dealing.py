"""Whatever a customer asks for, in any order and with any body: they never have more than they have paid for.

What they have is counted by the seller's price list: what each plan, seat and add-on of a valid subscription costs a
second, for as long as the site lets them have it, what is left of its period, and what Stripe owes them for it. What
was given away knowingly (trials, the days of grace after a failed payment) is not counted.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

import pytest
from django.contrib.auth import get_user_model
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run
from rest_framework.test import APIClient

from django_stripe_gateway.models import Subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from tests.fake_stripe import proration
from tests.fake_stripe.errors import ApiError
from tests.fake_stripe.invoice_objects import line_details
from tests.test_billing.fair_shop import HOSTILE, Shop, few, many, which
from tests.test_billing.host import ROOT, SubscriptionHost
from tests.test_billing.machines import HistoryMachine

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

GOOD, BAD = "pm_card_visa", "pm_card_chargeCustomerFail"
HOUR = 3601
REFUSALS = (400, 402, 403, 404, 409, 429)
HISTORIES = settings(
    max_examples=16,
    stateful_step_count=30,
    deadline=None,
    # A history of this length takes minutes to be made shorter; what it did is printed.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
numbers = itertools.count()


@dataclass
class GivenBack:
    """What was given back of a subscription; ``had``, of what it had paid for, in the period that ends then."""

    subscription_id: str
    end: int
    amount: Decimal
    had: Decimal


class Thief(HistoryMachine):
    """One customer, with no permission but a login."""

    shop: ClassVar[Shop]

    def __init__(self) -> None:
        self.host = self.shop.host
        super().__init__()
        self.had, self.tokens = Decimal(0), list[tuple[str, dict[str, Any]]]()
        self.given_back = list[GivenBack]()

    @initialize(plan=which)
    def arrive(self, plan: int) -> None:
        self.owner = get_user_model().objects.create_user(f"thief-{next(numbers)}")
        self.client = APIClient()
        self.client.force_authenticate(self.owner)
        self.customer_id = str(ensure_customer(owner=self.owner).provider_id)
        self.card(GOOD)
        self.subscribe(plan, 1, with_add_on=False, pays=True, hostile={})

    # What is counted.

    def compare(self) -> None:
        """Compare what was had so far, and is still to be had for it, with what was paid and is owed."""
        invoices = [one for one in self.fake.all("invoice") if one["customer"] == self.customer_id]
        waiting = [one for one in self.fake.all("invoiceitem") if one["customer"] == self.customer_id]
        waiting = [one for one in waiting if not one["invoice"]]
        back = [one for kind in ("refund", "dispute") for one in self.fake.all(kind) if self.is_mine(one)]
        paid = Decimal(sum(one["amount_paid"] for one in invoices) - sum(one["amount"] for one in back))
        # Who has their money back keeps the period that it paid for, as long as that runs: as time, not as a credit.
        paid += sum((min(one.amount, one.had + self.kept(one)) for one in self.given_back), Decimal(0))
        # Stripe rounds each line to a cent: half of one is lost at most.
        lines = sum(len(one["lines"]["data"]) for one in invoices) + len(waiting)
        rounding = Decimal(lines) / 2
        credit = -self.fake.get(self.customer_id)["balance"] - sum(one["amount"] for one in waiting)
        # A credit in the balance is not taken off a draft yet.
        owed = sum(one["total"] for one in invoices if one["status"] == "draft")
        owed += sum(one["amount_remaining"] for one in invoices if one["status"] == "open")
        rest = self.rest_of_periods()
        note(f"had {self.had:.1f}, rest {rest:.1f}, credit {credit}, paid {paid}, owed {owed}, lines {lines}")
        assert self.had <= paid + rounding, f"had {self.had:.1f} cents, paid {paid}"
        # Credit is worth money: whoever goes on pays with it.
        worth = self.had + rest + credit
        assert worth <= paid + owed + rounding, f"had and has {worth:.1f} cents, paid and owes {paid + owed}"

    def is_mine(self, given_back: dict[str, Any]) -> bool:
        return bool(self.fake.get(given_back["payment_intent"])["customer"] == self.customer_id)

    def kept(self, given_back: GivenBack) -> Decimal:
        """Return what is left of what was given back, in the period in which that was."""
        now = self.fake.state.now()
        charged = self.charged(given_back.subscription_id)
        return sum((price * (end - now) for price, end in charged if now < end <= given_back.end), Decimal(0))

    def price_of_a_second(self) -> Decimal:
        """Return what the site lets the customer have, in cents a second by the price list, less what codes give."""
        return sum((price for price, _end in self.charged()), Decimal(0))

    def rest_of_periods(self) -> Decimal:
        """Return what is left to be had of the periods that run, in cents."""
        now = self.fake.state.now()
        return sum((price * max(end - now, 0) for price, end in self.charged()), Decimal(0))

    def charged(self, subscription_id: str | None = None) -> Iterator[tuple[Decimal, int]]:
        """Yield what each item of what the customer has costs a second, and when its period ends; or of one alone."""
        rows = Subscription.objects.filter(customer__owner=self.owner).valid().prefetch_related("items")
        for row in rows if subscription_id is None else rows.filter(provider_id=subscription_id):
            if row.status != "active":
                continue
            found = {item["id"]: item for item in self.fake.get(row.provider_id)["items"]["data"]}
            for item in row.items.all():
                if item.provider_id in found:
                    period = found[item.provider_id]
                    start, end = period["current_period_start"], period["current_period_end"]
                    left = self.left_by_codes(row.provider_id, item.provider_id)
                    yield left * Decimal(item.amount) * 100 * item.quantity / (end - start), end

    def left_by_codes(self, subscription_id: str | None, item_id: str) -> Decimal:
        """Return which share of its price the last line for an item has charged, with the discounts of that time."""
        subscription = self.fake.get(subscription_id)
        with self.fake.state.acting():
            scope, _ = self.fake.state.locate(subscription_id)
            lines = proration.debits(scope, subscription)
        for line in lines:
            if line_details(line)["subscription_item"] == item_id and line["amount"]:
                return 1 - Decimal(sum(one["amount"] for one in line["discount_amounts"])) / line["amount"]
        return Decimal(1)

    # What the seller and the bank do.

    @precondition(lambda self: self.has_any())
    @rule(one=which, is_refund=st.booleans(), is_part=st.booleans())
    def is_given_back(self, one: int, is_refund: bool, is_part: bool) -> None:
        """Let the seller refund, or a bank dispute, what was paid last of a subscription."""
        self.compare()
        subscription_id = self.mine(one)
        paid = [
            found
            for found in self.fake.all("invoice")
            if found["amount_paid"] and found["parent"]["subscription_details"]["subscription"] == subscription_id
        ]
        ends = [item["current_period_end"] for item in self.fake.get(subscription_id)["items"]["data"]]
        if not paid or not ends:
            return
        amount = paid[-1]["amount_paid"] // (2 if is_part else 1)
        rest = sum((price * (end - self.fake.state.now()) for price, end in self.charged(subscription_id)), Decimal(0))
        intent = self.fake.intent_of(paid[-1]["id"])
        # No bank takes back what was given back before.
        gone = [one for kind in ("refund", "dispute") for one in self.fake.all(kind) if one["payment_intent"] == intent]
        amount = min(amount, paid[-1]["amount_paid"] - sum(one["amount"] for one in gone))
        if amount <= 0:
            return
        try:
            (self.fake.dashboard_refund if is_refund else self.fake.dispute)(intent, amount)
        except (ApiError, ValueError, KeyError) as error:
            note(f"given back: {error!r}")
            return
        note(f"given back: {amount} of {paid[-1]['id']}")
        is_over = all(line["period"]["end"] <= self.fake.state.now() for line in paid[-1]["lines"]["data"])
        had = Decimal(amount) if is_over else max(amount - rest, Decimal(0))
        self.given_back.append(GivenBack(subscription_id, max(ends), Decimal(amount), had))
        self.host.deliver_new()

    # What the customer does, with the API.

    def ask(self, method: str, path: str, body: dict[str, Any], hostile: dict[str, Any]) -> Any:
        self.compare()
        answer = getattr(self.client, method)(f"{ROOT}{path}", body | hostile, format="json")
        note(f"{method} {path} {body | hostile}: {answer.status_code} {answer.content[:200]!r}")
        assert answer.status_code in (200, 201, 204, *REFUSALS), answer.content
        self.host.deliver_new()
        return answer

    def running(self) -> list[Subscription]:
        rows = Subscription.objects.filter(customer__owner=self.owner).exclude(provider_id=None)
        return list(rows.not_ended().order_by("pk"))

    def mine(self, number: int) -> str:
        rows = self.running()
        return str(rows[number % len(rows)].provider_id)

    def has_any(self) -> bool:
        return bool(getattr(self, "owner", None) and self.running())

    @rule(
        plan=which,
        quantity=few,
        with_add_on=st.booleans(),
        pays=st.booleans(),
        hostile=HOSTILE,
        code=st.none() | which,
        is_classic=st.booleans(),
    )
    def subscribe(
        self,
        plan: int,
        quantity: int,
        with_add_on: bool,
        pays: bool,
        hostile: dict[str, Any],
        code: int | None = None,
        is_classic: bool = False,
    ) -> None:
        body: dict[str, Any] = {"pricing_id": self.shop.plans[plan % 3].pk, "quantity": quantity}
        body |= {"add_ons": [{"pricing_id": self.shop.support.pk, "quantity": 2}]} if with_add_on else {}
        body |= {} if code is None else {"promotion_code": self.shop.codes[code % 4]}
        answer = self.ask("post", "subscribe/", body, hostile)
        if is_classic and answer.status_code == 201:
            # As what was begun elsewhere, or years ago.
            self.fake.make_classic(answer.json()["subscription_id"])
        if pays and answer.status_code == 201 and answer.json()["status"] == "incomplete":
            self.pay(answer.json()["subscription_id"], GOOD)

    @precondition(has_any)
    @rule(one=which, plan=st.none() | which, quantity=st.none() | few, at_end=st.booleans(), hostile=HOSTILE)
    def change(self, one: int, plan: int | None, quantity: int | None, at_end: bool, hostile: dict[str, Any]) -> None:
        body = self.asked(one, plan, quantity)
        self.ask("post", "change/", body | ({"at_period_end": True} if at_end else {}), hostile)

    def asked(self, one: int, plan: int | None, quantity: int | None) -> dict[str, Any]:
        body: dict[str, Any] = {"subscription_id": self.mine(one)}
        body |= {} if plan is None else {"pricing_id": self.shop.plans[plan % 3].pk}
        return body | ({} if quantity is None else {"quantity": quantity})

    @precondition(has_any)
    @rule(one=which, plan=st.none() | which, quantity=st.none() | few)
    def preview(self, one: int, plan: int | None, quantity: int | None) -> None:
        body = self.asked(one, plan, quantity)
        answer = self.ask("post", "change/", body | {"preview": True}, {})
        if answer.status_code == 200:
            self.tokens.append((answer.json()["preview_token"], body))

    @precondition(lambda self: self.tokens)
    @rule(token=which, hostile=HOSTILE)
    def change_as_previewed(self, token: int, hostile: dict[str, Any]) -> None:
        value, body = self.tokens[token % len(self.tokens)]
        self.ask("post", "change/", body | {"preview_token": value}, hostile)

    @precondition(lambda self: self.tokens)
    @rule(token=which, seconds=st.sampled_from([0, 890]), quantity=many, times=st.integers(1, 4))
    def go_back_and_forth(self, token: int, seconds: int, quantity: int, times: int) -> None:
        """Use a preview late, and again and again, with another change before each time.

        No token expires meanwhile: the seconds of a signature are those of this machine.
        """
        value, body = self.tokens[token % len(self.tokens)]
        for _time in range(times):
            self.ask("post", "change/", {"subscription_id": body["subscription_id"], "quantity": quantity}, {})
            self.wait(seconds, GOOD)
            self.ask("post", "change/", body | {"preview_token": value}, {})

    @precondition(has_any)
    @rule(one=which, quantity=many, less=few, seconds=st.sampled_from([0, 890]))
    def go_up_and_back_late(self, one: int, quantity: int, less: int, seconds: int) -> None:
        """Have many for as long as a preview is good, and then what it has said."""
        body = {"subscription_id": self.mine(one)}
        self.ask("post", "change/", body | {"quantity": quantity}, {})
        shown = self.ask("post", "change/", body | {"quantity": less, "preview": True}, {})
        if shown.status_code == 200:
            self.tokens.append((shown.json()["preview_token"], body | {"quantity": less}))
            self.wait(seconds, GOOD)
            self.ask("post", "change/", body | {"quantity": less, "preview_token": self.tokens[-1][0]}, {})

    @precondition(has_any)
    @rule(one=which, at_period_end=st.booleans(), hostile=HOSTILE)
    def cancel(self, one: int, at_period_end: bool, hostile: dict[str, Any]) -> None:
        body = {"subscription_id": self.mine(one), "at_period_end": at_period_end}
        self.ask("post", "cancel/", body, hostile)

    @precondition(has_any)
    @rule(
        one=which,
        verb=st.sampled_from(["resume", "cancel_change", "pause", "unpause", "trial", "discount"]),
        hostile=HOSTILE,
    )
    def other_verb(self, one: int, verb: str, hostile: dict[str, Any]) -> None:
        self.ask("post", f"{verb}/", {"subscription_id": self.mine(one)}, hostile)

    @precondition(has_any)
    @rule(one=which, code=which)
    def enter_code(self, one: int, code: int) -> None:
        self.ask(
            "post", "discount/", {"subscription_id": self.mine(one), "promotion_code": self.shop.codes[code % 4]}, {}
        )

    @precondition(has_any)
    @rule(one=which, price=which, quantity=few, hostile=HOSTILE)
    def add_item(self, one: int, price: int, quantity: int, hostile: dict[str, Any]) -> None:
        prices = [self.shop.support, *self.shop.plans]
        body = {"subscription_id": self.mine(one), "pricing_id": prices[price % 4].pk, "quantity": quantity}
        self.ask("post", "items/", body, hostile)

    @precondition(has_any)
    @rule(one=which, item=which, quantity=st.none() | few, hostile=HOSTILE)
    def change_or_remove_item(self, one: int, item: int, quantity: int | None, hostile: dict[str, Any]) -> None:
        items = self.fake.get(self.mine(one))["items"]["data"]
        path = f"items/{items[item % len(items)]['id']}/"
        method, body = ("delete", {}) if quantity is None else ("post", {"quantity": quantity})
        self.ask(method, path, body, hostile)

    @rule(method=st.sampled_from([GOOD, BAD]))
    def card(self, method: str) -> None:
        self.fake.customer_changes_card(self.customer_id, method)
        self.host.deliver_new()

    @precondition(has_any)
    @rule(one=which)
    def pay_invoice(self, one: int) -> None:
        invoice = self.fake.get(self.mine(one))["latest_invoice"]
        self.ask("post", f"invoices/{invoice}/pay/", {}, {})

    @precondition(has_any)
    @rule(one=which, method=st.sampled_from([GOOD, BAD]))
    def pay_in_the_browser(self, one: int, method: str) -> None:
        self.pay(self.mine(one), method)

    def pay(self, subscription_id: str, method: str) -> None:
        self.compare()
        try:
            self.fake.customer_pays(subscription_id, method)
        except (ApiError, ValueError, KeyError) as error:
            note(f"customer_pays: {error!r}")
        self.host.deliver_new()

    @precondition(has_any)
    @rule(one=which)
    def portal_cancels(self, one: int) -> None:
        self.compare()
        try:
            self.fake.portal_cancel(self.mine(one))
        except (ApiError, ValueError, KeyError) as error:
            note(f"portal_cancel: {error!r}")
        self.host.deliver_new()

    @rule(days=st.sampled_from([1, 9, 27]))
    def wait_days(self, days: int) -> None:
        self.wait(days * 86_400, GOOD)

    @rule(seconds=st.sampled_from([1, 600, 3600, 86_400, 9 * 86_400, 27 * 86_400]), method=st.sampled_from([GOOD, BAD]))
    def wait(self, seconds: int, method: str) -> None:
        """Let time pass, a renewal within it perhaps; it is heard of at once."""
        self.card(method)
        last = self.fake.state.now() + seconds
        while renewal := self.next_renewal(last):
            self.until(renewal)
            # For an hour Stripe holds the invoice of a renewal as a draft, before it charges the card.
            self.fake.advance_to(renewal + HOUR)
            self.host.deliver_new()
        if last > self.fake.state.now():
            self.until(last)

    def until(self, moment: int) -> None:
        # A renewal at that moment begins another period, of another length.
        seconds = moment - self.fake.state.now()
        self.had += seconds * self.price_of_a_second()
        for one in self.given_back:
            one.had += seconds * sum((price for price, end in self.charged(one.subscription_id) if end <= one.end), 0)
        self.fake.advance_to(moment)
        self.compare()
        self.host.deliver_new()

    def next_renewal(self, last: int) -> int | None:
        """Return when the next period ends, if that is before ``last``: what is had may be another from then on."""
        mine = [one for one in self.fake.all("subscription") if one["customer"] == self.customer_id]
        ends = [item["current_period_end"] for one in mine for item in one["items"]["data"]]
        return min((end for end in ends if self.fake.state.now() < end < last), default=None)


@pytest.mark.timeout(300)
def test_nobody_has_more_than_they_paid_for(host: SubscriptionHost, settings: Any) -> None:
    settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS = ["default"]
    settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "invoice_increases"
    Thief.shop = Shop(host)
    run(Thief, settings=HISTORIES)
