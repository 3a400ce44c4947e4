"""What only some can do: by the gateway's flags it works, or is refused as unsupported and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from django_stripe_gateway.exceptions import PaymentDeclined, ProviderStateError, UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import (
    ItemChange,
    SetupCheckoutRequest,
    SubscriptionChange,
    SubscriptionCheckoutRequest,
    SubscriptionRequest,
    SubscriptionSnapshot,
)
from django_stripe_gateway.gateways.catalogue_values import PriceRequest
from django_stripe_gateway.gateways.schedule_values import ScheduledChange, ScheduleSnapshot
from django_stripe_gateway.testing.billing.scenario import BillingScenario
from django_stripe_gateway.testing.billing.subscribing import in_days

NOWHERE = "https://shop.test/"


class AbilityTests(BillingScenario):
    """One test for each of the ``supports_*`` flags."""

    def unsupported(self, *calls: Callable[[], object]) -> None:
        """Check that each of the calls is refused as unsupported."""
        for call in calls:
            with self.refused(UnsupportedByGateway):
                call()

    def test_incomplete(self) -> None:
        """``supports_incomplete``: a first payment waits for its customer, with a secret that is kept nowhere."""
        made = self.subscribe(self.customer(), self.price())
        if not self.gateway.supports_incomplete:
            assert (made.status, made.client_secret) == ("active", "")
            return
        assert (made.status, made.client_secret_kind) == ("incomplete", "payment")
        assert made.client_secret
        self.assert_plain(made)
        self.pay(made)
        found = self.gateway.retrieve_subscription(made.subscription_id)
        assert (found.status, found.client_secret) == ("active", "")

    def test_metered_prices(self) -> None:
        """``supports_metered_prices``: a price is made of what a meter counts, and of parts of the smallest coin."""
        product_id = self.price().product_id
        request = PriceRequest(
            product_id, Decimal("0.0004"), "USD", "month", usage_type="metered", meter_id=self.make_meter()
        )
        if not self.gateway.supports_metered_prices:
            self.unsupported(lambda: self.gateway.create_price(request, idempotency_key=self.key()))
            return
        made = self.gateway.create_price(request, idempotency_key=self.key())
        assert (made.amount, made.usage_type, made.meter_id) == (request.amount, "metered", request.meter_id)
        assert made in self.gateway.list_prices()

    def test_lookup_keys(self) -> None:
        """``supports_lookup_keys``: a price has another name, which passes on; elsewhere it is left out."""
        first = self.price()
        request = PriceRequest(first.product_id, Decimal("30.00"), "USD", "month", lookup_key="gold")
        made = self.gateway.create_price(request, idempotency_key=self.key())
        if not self.gateway.supports_lookup_keys:
            assert made.lookup_key == ""
            self.unsupported(
                lambda: self.gateway.set_lookup_key(first.price_id, "gold", transfer=True, idempotency_key=self.key())
            )
            return
        assert made.lookup_key == "gold"
        named = self.gateway.set_lookup_key(first.price_id, "gold", transfer=True, idempotency_key=self.key())
        names = {price.price_id: price.lookup_key for price in self.gateway.list_prices()}
        assert (named.lookup_key, names[first.price_id], names[made.price_id]) == ("gold", "gold", "")
        taken = self.gateway.set_lookup_key(first.price_id, "", transfer=False, idempotency_key=self.key())
        assert taken.lookup_key == ""

    def test_checkout(self) -> None:
        """``supports_checkout``: a page can be opened and closed again."""
        customer_id = self.customer("").customer_id
        subscription = SubscriptionRequest(customer_id, self.price().price_id, metadata={"token": "17"})
        request = SubscriptionCheckoutRequest(subscription, f"{NOWHERE}yes", f"{NOWHERE}no")
        if not self.gateway.supports_checkout:
            self.unsupported(
                lambda: self.gateway.create_subscription_checkout(request, idempotency_key=self.key()),
                lambda: self.gateway.find_subscription_checkout(customer_id, "17"),
                lambda: self.gateway.retrieve_subscription_checkout("page"),
                lambda: self.gateway.expire_subscription_checkout("page", idempotency_key=self.key()),
            )
            return
        made = self.gateway.create_subscription_checkout(request, idempotency_key=self.key())
        assert (made.status, made.subscription_id) == ("open", "")
        assert made.url
        assert made.url not in repr(made)
        self.forget_keys()
        found = self.gateway.find_subscription_checkout(customer_id, "17")
        assert found is not None
        assert (found.session_id, found.url) == (made.session_id, made.url)
        assert self.gateway.find_subscription_checkout(customer_id, "18") is None
        closed = self.gateway.expire_subscription_checkout(made.session_id, idempotency_key=self.key())
        assert (closed.status, closed.url) == ("expired", "")
        assert self.gateway.retrieve_subscription_checkout(made.session_id).status == "expired"

    def test_setup_checkout(self) -> None:
        """``supports_setup_checkout``: a page on which a payment method is added is made, and found by its metadata."""
        customer_id, marker = self.customer("").customer_id, {"operation": "17"}
        request = SetupCheckoutRequest(customer_id, "USD", NOWHERE, metadata=marker)
        if not self.gateway.supports_setup_checkout:
            self.unsupported(
                lambda: self.gateway.create_setup_checkout(request, idempotency_key=self.key()),
                lambda: self.gateway.find_setup_checkout(customer_id, metadata=marker),
            )
            return
        made = self.gateway.create_setup_checkout(request, idempotency_key=self.key())
        assert (made.status, made.customer_id) == ("open", customer_id)
        assert made.url
        assert made.url not in repr(made)
        assert NOWHERE not in repr(request)
        self.forget_keys()
        found = self.gateway.find_setup_checkout(customer_id, metadata=marker)
        assert found is not None
        assert (found.session_id, found.url) == (made.session_id, made.url)
        assert self.gateway.find_setup_checkout(customer_id, metadata={"operation": "18"}) is None

    def test_invoice_payment(self) -> None:
        """``supports_invoice_payment``: an open invoice is declined with what fails, and paid with what works, once."""
        made = self.subscribe(self.customer(self.failing), self.price())
        assert (made.status, bool(made.latest_invoice_id)) == ("incomplete", True)
        if not self.gateway.supports_invoice_payment:
            self.unsupported(lambda: self.gateway.pay_invoice(made.latest_invoice_id, idempotency_key=self.key()))
            return
        with self.refused(PaymentDeclined):
            self.gateway.pay_invoice(made.latest_invoice_id, idempotency_key=self.key())
        assert self.gateway.retrieve_invoice(made.latest_invoice_id).status == "open"
        self.give_what_works(made)
        paid = self.gateway.pay_invoice(made.latest_invoice_id, idempotency_key=self.key())
        assert (paid.status, paid.amount_remaining, paid.requires_action) == ("paid", Decimal(0), False)
        assert self.gateway.retrieve_subscription(made.subscription_id).status == "active"
        self.assert_plain(paid)
        with self.refused(ProviderStateError):
            self.gateway.pay_invoice(made.latest_invoice_id, idempotency_key=self.key())

    def test_invoice_payment__repeated(self) -> None:
        """``supports_invoice_payment``: the same key pays once, and says so again."""
        if not self.gateway.supports_invoice_payment:
            return
        made, key = self.subscribe(self.customer(self.failing), self.price()), self.key()
        self.give_what_works(made)
        paid = [self.gateway.pay_invoice(made.latest_invoice_id, idempotency_key=key) for _again in range(2)]
        assert [invoice.status for invoice in paid] == ["paid", "paid"]

    def give_what_works(self, subscription: SubscriptionSnapshot) -> None:
        """Make what can be charged the default of a subscription's customer."""
        works = self.gateway.attach_payment_method(
            self.payment_method, subscription.customer_id, idempotency_key=self.key()
        )
        self.gateway.set_default_payment_method(
            subscription.customer_id, works.payment_method_id, idempotency_key=self.key()
        )

    def test_portal(self) -> None:
        """``supports_portal``: a customer is given an address."""
        customer_id = self.customer("").customer_id
        if not self.gateway.supports_portal:
            self.unsupported(lambda: self.gateway.create_portal_url(customer_id, NOWHERE, idempotency_key=self.key()))
            return
        assert self.gateway.create_portal_url(customer_id, NOWHERE, idempotency_key=self.key()).startswith("http")

    def test_pause(self) -> None:
        """``supports_pause``: collecting stops and goes on."""
        found, until = self.active(), in_days(30)
        if not self.gateway.supports_pause:
            self.unsupported(
                lambda: self.gateway.pause_subscription(
                    found.subscription_id, behavior="void", resumes_at=until, idempotency_key=self.key()
                ),
                lambda: self.gateway.unpause_subscription(found.subscription_id, idempotency_key=self.key()),
            )
            assert self.gateway.retrieve_subscription(found.subscription_id) == found
            return
        paused = self.gateway.pause_subscription(
            found.subscription_id, behavior="void", resumes_at=until, idempotency_key=self.key()
        )
        assert (paused.status, paused.pause_behavior, paused.pause_resumes_at) == ("active", "void", until)
        going_on = self.gateway.unpause_subscription(found.subscription_id, idempotency_key=self.key())
        assert (going_on.pause_behavior, going_on.pause_resumes_at) == ("", None)

    def test_promotion_codes(self) -> None:
        """``supports_promotion_codes``: a code that nobody has made is not found."""
        if not self.gateway.supports_promotion_codes:
            self.unsupported(lambda: self.gateway.find_promotion_code("none"))
            return
        assert self.gateway.find_promotion_code("none") is None

    def test_preview(self) -> None:
        """``supports_preview``: a change can be asked for its price, which changes nothing."""
        found = self.active()
        change = SubscriptionChange([ItemChange(found.items[0].item_id, quantity=2)])
        if self.gateway.supports_preview:
            preview = self.gateway.preview_change(found.subscription_id, found.customer_id, change)
            assert preview.lines
            self.assert_plain(preview)
        else:
            self.unsupported(
                lambda: self.gateway.preview_change(found.subscription_id, found.customer_id, change),
            )
        assert self.gateway.retrieve_subscription(found.subscription_id).items == found.items

    def test_schedules(self) -> None:
        """``supports_schedules``: what is charged can change with the next period, in one schedule, and is let go."""
        found, price = self.active(), self.price("50.00")
        assert found.current_period_end is not None
        change = ScheduledChange(
            at=found.current_period_end,
            from_price_id=found.items[0].price_id,
            price_id=price.price_id,
            quantity=2,
            interval="month",
            metadata={"token": "17"},
        )
        if not self.gateway.supports_schedules:
            nothing = ScheduleSnapshot("schedule", "active", is_running=True)
            self.unsupported(
                lambda: self.gateway.start_schedule(found.subscription_id, idempotency_key=self.key()),
                lambda: self.gateway.schedule_change(nothing, change, idempotency_key=self.key()),
                lambda: self.gateway.clear_schedule_payment_method(nothing, idempotency_key=self.key()),
                lambda: self.gateway.preview_schedule(nothing, change),
                lambda: self.gateway.retrieve_schedule("schedule"),
                lambda: self.gateway.release_schedule("schedule", idempotency_key=self.key()),
            )
            return
        started = self.gateway.start_schedule(found.subscription_id, idempotency_key=self.key())
        assert (started.is_running, started.holds_nothing, started.next_change) == (True, True, None)
        planned = self.gateway.schedule_change(started, change, idempotency_key=self.key())
        assert (planned.subscription_id, planned.items[0].price_id) == (found.subscription_id, change.from_price_id)
        for said in (planned, self.gateway.retrieve_subscription(found.subscription_id)):
            assert said.schedule_id == started.schedule_id
            assert said.schedule is not None
            assert said.schedule.next_change is not None
            (item,) = said.schedule.next_change.items
            assert (item.price_id, item.quantity, said.schedule.next_change.start) == (price.price_id, 2, change.at)
            assert (said.schedule.metadata, said.schedule.is_one_change) == ({"token": "17"}, True)
            self.assert_plain(said)
            assert self.gateway.preview_schedule(said.schedule, change).lines
        cleared = self.gateway.clear_schedule_payment_method(
            self.gateway.retrieve_schedule(started.schedule_id), idempotency_key=self.key()
        )
        assert (cleared.has_payment_method, [phase.start for phase in cleared.later]) == (False, [change.at])
        with self.refused(ProviderStateError):
            self.gateway.start_schedule(found.subscription_id, idempotency_key=self.key())
        released = self.gateway.release_schedule(started.schedule_id, idempotency_key=self.key())
        assert (released.is_running, released.subscription_id) == (False, found.subscription_id)
        assert self.gateway.retrieve_subscription(found.subscription_id).schedule_id == ""
        assert not self.gateway.retrieve_schedule(started.schedule_id).is_running
