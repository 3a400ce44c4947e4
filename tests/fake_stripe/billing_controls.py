"""What tests make customers, the merchant's Dashboard and time do about subscriptions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from tests.fake_stripe import (
    canceling,
    cards,
    catalogue,
    changing_subscriptions,
    checkout,
    customers,
    invoice_objects,
    invoicing,
    payments,
    pending_items,
    renewing,
)
from tests.fake_stripe.controls import Controls, Events
from tests.fake_stripe.errors import ApiError
from tests.fake_stripe.events import changing
from tests.fake_stripe.keys import DEFAULT_ACCOUNT
from tests.fake_stripe.periods import DAY, HOUR
from tests.fake_stripe.state import Object, Scope
from tests.fake_stripe.subscription_objects import items, period

_AFTER_RETRIES = ("canceled", "unpaid", "past_due")


class BillingControls(Controls):
    """Methods of `FakeStripe`. Those that make events return them, in their order, as those of `Controls` do."""

    def advance(self, *, days: int = 0, hours: int = 0, seconds: int = 0, deliver: bool = True) -> Events:
        """Move time on, with all it brings: trials and periods end, drafts are finalized after an hour and charged,
        failed payments are tried again after 3, 5 and 7 days, unpaid first invoices expire after 23 hours.

        Signatures keep the real time, so that receivers accept them.
        """
        with self.state.acting(deliver=deliver) as events:
            renewing.advance(self.state, days * DAY + hours * HOUR + seconds)
        return [copy.deepcopy(event) for event in events]

    def advance_to(self, moment: int, *, deliver: bool = True) -> Events:
        """Move time on to a moment (in seconds since 1970) and one second past it."""
        return self.advance(seconds=moment - self.state.now() + 1, deliver=deliver)

    def stop_clock(self) -> None:
        """Let no second pass from here on but by `advance`."""
        stands = self.state.clock()
        self.state.clock = lambda: stands

    @property
    def after_retries(self) -> str:
        """Return what becomes of a subscription after the last attempt: "canceled", "unpaid" or "past_due"."""
        return self.state.after_retries

    @after_retries.setter
    def after_retries(self, status: str) -> None:
        if status not in _AFTER_RETRIES:
            raise ValueError(f"Unknown status {status!r}; there are {', '.join(_AFTER_RETRIES)}")
        self.state.after_retries = status

    @property
    def tax_percent(self) -> int:
        """Return the rate of automatic tax, which comes on top."""
        return self.state.tax_percent

    @tax_percent.setter
    def tax_percent(self, percent: int) -> None:
        self.state.tax_percent = percent

    def customer_pays(
        self, subscription_id: str, payment_method: str = "pm_card_visa", *, deliver: bool = True
    ) -> Events:
        """Let the customer confirm the payment of the latest invoice in the browser.

        A card that asks for authentication then waits for `customer_authenticates` with the id of the intent, which
        `intent_of` returns.
        """

        def change(scope: Scope, subscription: Object) -> None:
            invoice = scope.objects["invoice"][subscription["latest_invoice"]]
            if invoice["status"] != "open":
                raise ValueError(f"The invoice {invoice['id']} is {invoice['status']}, not open")
            intent = scope.objects["payment_intent"][invoice["_intent"]]
            payments.attempt(scope, intent, cards.take(scope, payment_method))

        return self.act(subscription_id, change, deliver=deliver)

    def intent_of(self, identifier: str) -> str:
        """Return the id of the PaymentIntent of an invoice, or of a subscription's latest one."""
        with self.state.acting():
            scope, found = self.state.locate(identifier)
            if found["object"] == "subscription":
                found = scope.objects["invoice"][found["latest_invoice"]]
            return str(found["_intent"])

    def customer_sets_up(
        self, setup_intent_id: str, payment_method: str = "pm_card_visa", *, deliver: bool = True
    ) -> Events:
        """Let the customer confirm a SetupIntent in the browser; a bad card leaves it waiting for another."""

        def change(scope: Scope, intent: Object) -> None:
            try:
                customers.confirm_setup(scope, intent, cards.take(scope, payment_method))
            except ApiError as error:
                if error.status != 402:
                    raise

        return self.act(setup_intent_id, change, deliver=deliver)

    def customer_changes_card(self, customer_id: str, payment_method: str, *, deliver: bool = True) -> Events:
        """Let the customer put in a new card and make it the default, as on the billing portal."""

        def change(scope: Scope, customer: Object) -> None:
            method = cards.take(scope, payment_method)
            customers.attach(scope, method, customer)
            settings = {"default_payment_method": method["id"]}
            customers.update(scope, customer, {"invoice_settings": settings})

        return self.act(customer_id, change, deliver=deliver)

    def replace_card(self, payment_method_id: str, *, deliver: bool = True) -> Events:
        """Let the customer's bank replace an expired card, which Stripe hears of."""

        def change(scope: Scope, method: Object) -> None:
            with changing(scope, method, "payment_method.automatically_updated"):
                method["card"] = {**method["card"], "exp_year": method["card"]["exp_year"] + 4}

        return self.act(payment_method_id, change, deliver=deliver)

    def pay_invoice(self, invoice_id: str, *, deliver: bool = True) -> Events:
        """Let an open invoice be charged again now; whether that works is the card's word."""

        def change(scope: Scope, invoice: Object) -> None:
            invoicing.collect(scope, invoice)

        return self.act(invoice_id, change, deliver=deliver)

    def void_invoice(self, invoice_id: str, *, deliver: bool = True) -> Events:
        """Let the merchant take an invoice back."""
        return self.act(invoice_id, invoicing.void, deliver=deliver)

    def change_subscription(self, subscription_id: str, params: dict[str, Any], *, deliver: bool = True) -> Events:
        """Let the merchant or, on the portal, the customer change a subscription; `params` as in the API.

        Its `items` replace a price (with an id), add one (without), or remove one (`deleted`).
        """
        return self.act(
            subscription_id, lambda scope, found: changing_subscriptions.update(scope, found, params), deliver=deliver
        )

    def make_classic(self, subscription_id: str) -> Events:
        """Let a subscription be one that was begun in the classic billing mode, by an older version of the API."""

        def change(scope: Scope, found: Object) -> None:
            found["billing_mode"] = {"flexible": None, "type": "classic"}

        return self.act(subscription_id, change)

    def add_invoice_item(self, subscription_id: str, amount: int, description: str, *, deliver: bool = True) -> Events:
        """Let the merchant put something on the next invoice of a subscription, in the currency's smallest unit."""

        def change(scope: Scope, found: Object) -> None:
            line = invoice_objects.sellers_line(scope, found, items(found)[0], amount, description)
            pending_items.keep(scope, found, line)

        return self.act(subscription_id, change, deliver=deliver)

    def reorder_items(self, subscription_id: str, order: Sequence[str] = (), *, deliver: bool = True) -> Events:
        """Let the items of a subscription stand in another order, of which Stripe promises none.

        They are reversed, or as `order` names them; what it does not name comes after what it does.
        """

        def change(scope: Scope, found: Object) -> None:
            with changing(scope, found, "customer.subscription.updated"):
                data = items(found)[::-1]
                named = [item for identifier in order for item in data if item["id"] == identifier]
                found["items"] = {**found["items"], "data": named + [item for item in data if item not in named]}

        return self.act(subscription_id, change, deliver=deliver)

    def portal_cancel(self, subscription_id: str, *, deliver: bool = True) -> Events:
        """Let the customer cancel on the billing portal, which names a date where it once set a flag."""

        def change(scope: Scope, found: Object) -> None:
            by_date = {"cancel_at": period(found)[1]}
            older = self.state.generation != "current"
            changing_subscriptions.update(scope, found, {"cancel_at_period_end": True} if older else by_date)

        return self.act(subscription_id, change, deliver=deliver)

    def cancel_subscription(self, subscription_id: str, *, deliver: bool = True) -> Events:
        """Let the merchant end a subscription at once."""
        return self.act(subscription_id, lambda scope, found: canceling.cancel_now(scope, found, {}), deliver=deliver)

    def delete_customer(self, customer_id: str, *, deliver: bool = True) -> Events:
        """Let the merchant delete a customer, with their subscriptions."""
        return self.act(customer_id, customers.delete, deliver=deliver)

    def customer_authenticates_checkout(self, session_id: str, *, deliver: bool = True) -> Events:
        """Let the customer pass the authentication that a Checkout in subscription mode asked for."""

        def change(scope: Scope, session: Object) -> None:
            cards.pass_authentication(scope.objects["payment_method"][session["_method"]])
            checkout.complete(scope, session, "card", None)

        return self.act(session_id, change, deliver=deliver)

    def coupon(self, *, account: str = DEFAULT_ACCOUNT, livemode: bool = False, **params: Any) -> Object:
        """Make a coupon in the Dashboard, with the parameters of the API; return it."""
        with self.state.acting():
            return dict(catalogue.create_coupon(self.state.scope(account, livemode), params))

    def promotion_code(self, coupon_id: str, code: str, **params: Any) -> Object:
        """Make a promotion code in the Dashboard; return it."""
        with self.state.acting():
            scope, _coupon = self.state.locate(coupon_id)
            given = {"promotion": {"type": "coupon", "coupon": coupon_id}, "code": code, **params}
            return dict(catalogue.create_promotion_code(scope, given))


#: What may be called over HTTP, at `/_fake/control/<name>`, besides what `Controls` offers.
BILLING_OVER_HTTP = (
    "advance",
    "advance_to",
    "customer_pays",
    "customer_sets_up",
    "customer_changes_card",
    "customer_authenticates_checkout",
    "pay_invoice",
    "void_invoice",
    "change_subscription",
    "reorder_items",
    "portal_cancel",
    "replace_card",
    "cancel_subscription",
    "delete_customer",
)
