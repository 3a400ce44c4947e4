"""Subscriptions start, change and end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django_stripe_gateway.exceptions import ProviderError, ProviderStateError, ProviderUnavailable
from django_stripe_gateway.gateways.billing_values import ItemChange, SubscriptionChange, SubscriptionRequest
from django_stripe_gateway.testing.billing.scenario import BillingScenario


class SubscribingTests(BillingScenario):
    """The life of a subscription, and its invoices."""

    def test_subscribe(self) -> None:
        """A paid subscription is active, in a period of its price, with a paid invoice."""
        customer, price = self.customer(), self.price()
        made = self.subscribe(customer, price, quantity=3)
        self.pay(made)
        found = self.gateway.retrieve_subscription(made.subscription_id)
        assert (found.status, found.customer_id, found.has_all_items) == ("active", customer.customer_id, True)
        (item,) = found.items
        assert (item.price_id, item.product_id, item.quantity) == (price.price_id, price.product_id, 3)
        assert (item.amount, item.currency, item.interval, item.is_metered) == (price.amount, "USD", "month", False)
        assert item.item_id
        assert (item.current_period_start, item.current_period_end) == (
            found.current_period_start,
            found.current_period_end,
        )
        assert found.metadata == {"subscription": "9"}
        assert found.current_period_start is not None
        assert found.current_period_end is not None
        assert 28 <= (found.current_period_end - found.current_period_start).days <= 31
        assert (found.client_secret, found.client_secret_kind) == ("", "")
        assert found.latest_invoice is not None
        assert (found.latest_invoice.status, found.latest_invoice.amount_paid) == ("paid", Decimal("60.00"))
        assert found.latest_invoice.invoice_id == found.latest_invoice_id
        (listed,) = self.gateway.list_subscriptions(customer.customer_id)
        assert (listed.subscription_id, listed.current_period_end) == (found.subscription_id, found.current_period_end)
        self.assert_plain(found)

    def test_subscribe__trial(self) -> None:
        """A trial is free, and ends with its first period."""
        earliest = in_days(14)
        made = self.subscribe(self.customer(), self.price(), trial_days=14)
        assert made.trial_end is not None
        assert earliest <= made.trial_end <= in_days(14)
        assert (made.status, made.current_period_end) == ("trialing", made.trial_end)

    def test_subscribe__free_needs_no_card(self) -> None:
        """Nobody is asked to pay nothing."""
        made = self.subscribe(self.customer(""), self.price("0.00"))
        assert (made.status, made.client_secret) == ("active", "")

    def test_subscribe__ends_with_its_period(self) -> None:
        """A subscription can be set to end from its beginning."""
        made = self.subscribe(self.customer(), self.price("5.00", "day"), cancel_at_period_end=True)
        assert made.cancel_at_period_end
        assert made.current_period_end is not None
        assert made.current_period_start is not None
        assert made.current_period_end - made.current_period_start == timedelta(days=1)

    def test_subscribe__card_fails(self) -> None:
        """An unpaid first invoice leaves the subscription incomplete."""
        assert self.subscribe(self.customer(self.failing), self.price()).status == "incomplete"

    def test_subscribe__payment_method_of_its_own(self) -> None:
        """What a subscription has of its own, where it can, is given up for its customer's default one."""
        customer = self.customer()
        own = self.gateway.attach_payment_method(self.payment_method, customer.customer_id, idempotency_key=self.key())
        made = self.subscribe(customer, self.price(), default_payment_method=own.payment_method_id)
        if not made.default_payment_method:
            return
        assert made.default_payment_method == own.payment_method_id
        other = self.gateway.attach_payment_method(
            self.payment_method, customer.customer_id, idempotency_key=self.key()
        ).payment_method_id
        given = self.gateway.charge_subscription_on(made.subscription_id, other, idempotency_key=self.key())
        assert (given.default_payment_method, given.status) == (other, made.status)
        cleared = self.gateway.charge_customers_default(made.subscription_id, idempotency_key=self.key())
        assert (cleared.default_payment_method, cleared.status) == ("", made.status)

    def test_subscribe__repeated(self) -> None:
        """The same key makes one subscription."""
        customer, price, key = self.customer(), self.price(), self.key()
        request = SubscriptionRequest(customer.customer_id, price.price_id)
        made = self.gateway.create_subscription(request, idempotency_key=key)
        assert self.gateway.create_subscription(request, idempotency_key=key) == made
        assert len(self.gateway.list_subscriptions(customer.customer_id)) == 1

    def test_subscribe__found_without_its_key(self) -> None:
        """A subscription that was made is found by its metadata among its customer's."""
        customer = self.customer()
        made = self.subscribe(customer, self.price())
        self.forget_keys()
        listed = self.gateway.list_subscriptions(customer.customer_id)
        found = [one for one in listed if one.metadata.get("subscription") == "9"]
        assert [one.subscription_id for one in found] == [made.subscription_id]

    def test_retrieve__unknown_object(self) -> None:
        """No object is a refusal, and neither a silent provider nor a wrong state."""
        with self.refused(ProviderError) as refusal:
            self.gateway.retrieve_subscription("id-of-no-object")
        assert not isinstance(refusal.error, ProviderUnavailable | ProviderStateError), refusal.error
        assert isinstance(refusal.error, ProviderError)
        assert refusal.error.is_missing

    def test_change__price_and_quantity(self) -> None:
        """Price and quantity change, and what is not named stays."""
        found = self.active()
        price = self.price("50.00")
        change = SubscriptionChange([ItemChange(found.items[0].item_id, price_id=price.price_id, quantity=2)])
        changed = self.gateway.change_subscription(found.subscription_id, change, idempotency_key=self.key())
        (item,) = changed.items
        assert (changed.status, item.price_id, item.quantity) == ("active", price.price_id, 2)
        only_price = SubscriptionChange([ItemChange(changed.items[0].item_id, price_id=self.price("60.00").price_id)])
        again = self.gateway.change_subscription(found.subscription_id, only_price, idempotency_key=self.key())
        (item,) = again.items
        assert item.price_id == only_price.items[0].price_id
        assert (item.quantity, again.customer_id) == (2, found.customer_id)
        self.assert_plain(again)

    def test_cancel_at_period_end_and_resume(self) -> None:
        """An end at the period's end can be taken back."""
        found = self.active()
        for ends in (True, False):
            change = SubscriptionChange(cancel_at_period_end=ends)
            changed = self.gateway.change_subscription(found.subscription_id, change, idempotency_key=self.key())
            assert (changed.status, changed.cancel_at_period_end) == ("active", ends)
            assert changed.current_period_end == found.current_period_end

    def test_cancel(self) -> None:
        """A subscription ends at once; ending it again says the same, and it stays listed."""
        found = self.active()
        for _again in range(2):
            ended = self.gateway.cancel_subscription(found.subscription_id, idempotency_key=self.key())
            assert ended.status == "canceled"
            assert ended.ended_at is not None
        listed = self.gateway.list_subscriptions(found.customer_id)
        assert [item.status for item in listed] == ["canceled"]

    def test_invoices(self) -> None:
        """An invoice says what was billed, paid, for which price and period."""
        found = self.active(quantity=2)
        (invoice,) = self.gateway.list_invoices(found.customer_id)
        of_status = self.gateway.list_invoices(found.customer_id, status=invoice.status)
        assert [one.invoice_id for one in of_status] == [invoice.invoice_id]
        assert not self.gateway.list_invoices(found.customer_id, status="void")
        read = self.gateway.retrieve_invoice(invoice.invoice_id)
        forty = Decimal("40.00")
        assert (read.status, read.total, read.amount_paid, read.amount_remaining) == ("paid", forty, forty, Decimal(0))
        assert (read.subscription_id, read.customer_id) == (found.subscription_id, found.customer_id)
        assert read.currency == "USD"
        assert (read.period_start, read.period_end) == (found.current_period_start, found.current_period_end)
        assert read.paid_at is not None
        assert read.intent_id
        (line,) = read.lines
        assert (line.amount, line.quantity) == (forty, 2)
        assert (line.price_id, line.is_proration) == (found.items[0].price_id, False)
        self.assert_plain(read)


def in_days(days: int) -> datetime:
    """Return the moment in some days, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
