"""What is sold, and to whom."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django_stripe_gateway.exceptions import PaymentDeclined, ProviderError
from django_stripe_gateway.gateways.billing_values import CustomerRequest
from django_stripe_gateway.gateways.catalogue_values import PriceRequest, ProductRequest
from django_stripe_gateway.testing.billing.scenario import BillingScenario


class CatalogueTests(BillingScenario):
    """Products, prices, customers and their payment methods."""

    def test_product(self) -> None:
        """A product is made, changed, archived, and listed all the same."""
        request = ProductRequest("Gold", "All of it", {"plan": "gold"})
        made = self.gateway.create_product(request, idempotency_key=self.key())
        assert (made.name, made.description, made.is_active) == ("Gold", "All of it", True)
        assert made.metadata == {"plan": "gold"}
        changed = self.gateway.update_product(
            made.product_id, ProductRequest("Silver", "Less"), is_active=False, idempotency_key=self.key()
        )
        assert (changed.name, changed.description, changed.is_active) == ("Silver", "Less", False)
        assert changed in self.gateway.list_products()
        self.assert_plain(changed)

    def test_price(self) -> None:
        """A price is made, archived and restored."""
        made = self.price("200.00")
        assert (made.amount, made.currency) == (Decimal("200.00"), "USD")
        assert (made.interval, made.interval_count, made.is_active) == ("month", 1, True)
        assert made.metadata == {"pricing": "7"}
        archived = self.gateway.archive_price(made.price_id, idempotency_key=self.key())
        assert not archived.is_active
        assert archived in self.gateway.list_prices()
        assert archived.product_id == made.product_id
        self.assert_plain(archived)
        assert self.gateway.restore_price(made.price_id, idempotency_key=self.key()).is_active

    def test_price__currencies(self) -> None:
        """Prices are exact in currencies of no, two and three decimals."""
        product = self.gateway.create_product(ProductRequest("Gold"), idempotency_key=self.key())
        for amount, currency in (("1000", "JPY"), ("10.01", "EUR"), ("12.340", "KWD")):
            request = PriceRequest(product.product_id, Decimal(amount), currency, "month")
            made = self.gateway.create_price(request, idempotency_key=self.key())
            assert (made.amount, made.currency) == (Decimal(amount), currency)

    def test_customer(self) -> None:
        """A customer is made and changed; what is not given stays, and the person shows nowhere."""
        made = self.customer("")
        assert (made.email, made.name, made.metadata) == ("ada@example.com", "Ada", {"owner": "5"})
        assert (made.livemode, made.is_deleted, made.default_payment_method) == (False, False, "")
        assert self.gateway.livemode is False
        assert "ada@example.com" not in repr(made)
        request = CustomerRequest(email="eve@example.com")
        changed = self.gateway.update_customer(made.customer_id, request, idempotency_key=self.key())
        assert (changed.email, changed.name) == ("eve@example.com", "Ada")
        assert self.gateway.retrieve_customer(made.customer_id) == changed
        self.assert_plain(changed)

    def test_customer__repeated(self) -> None:
        """The same key makes one customer, one product and one price."""
        request, key = CustomerRequest(email="ada@example.com"), self.key()
        customers = [self.gateway.create_customer(request, idempotency_key=key) for _again in range(2)]
        assert customers[0] == customers[1]
        product, key = ProductRequest("Gold"), self.key()
        products = [self.gateway.create_product(product, idempotency_key=key) for _again in range(2)]
        assert products[0] == products[1]
        price, key = PriceRequest(products[0].product_id, Decimal("20.00"), "USD", "month"), self.key()
        prices = [self.gateway.create_price(price, idempotency_key=key) for _again in range(2)]
        assert prices[0] == prices[1]

    def test_customer__deleted(self) -> None:
        """Whoever was deleted says so, and is sold nothing."""
        made = self.customer("")
        self.delete_customer(made.customer_id)
        assert self.gateway.retrieve_customer(made.customer_id).is_deleted
        with self.refused(ProviderError) as refusal:
            self.subscribe(made, self.price())
        assert isinstance(refusal.error, ProviderError)
        assert refusal.error.is_missing

    def test_payment_methods(self) -> None:
        """Payment methods are listed, the newest first, and taken away."""
        customer = self.customer()
        (first,) = self.gateway.list_payment_methods(customer.customer_id)
        assert (first.kind, first.brand, first.last4) == self.payment_method_shown
        assert first.customer_id == customer.customer_id
        assert first.payment_method_id == customer.default_payment_method
        assert first.exp_year
        second = self.gateway.attach_payment_method(self.failing, customer.customer_id, idempotency_key=self.key())
        listed = self.gateway.list_payment_methods(customer.customer_id)
        assert [item.last4 for item in listed] == [self.failing_last4, self.payment_method_shown[2]]
        self.gateway.detach_payment_method(first.payment_method_id, idempotency_key=self.key())
        assert list(self.gateway.list_payment_methods(customer.customer_id)) == [second]
        assert self.gateway.retrieve_payment_method(first.payment_method_id).customer_id == ""
        self.assert_plain(second)

    def test_payment_methods__declined(self) -> None:
        """What cannot be saved is declined."""
        customer = self.customer("")
        with self.refused(PaymentDeclined) as refusal:
            self.gateway.attach_payment_method(self.declined, customer.customer_id, idempotency_key=self.key())
        assert refusal.error.code == "card_declined"

    def test_customer__found_without_its_key(self) -> None:
        """A customer that was made is found by all of its metadata, and nobody else."""
        since = datetime.now(UTC) - timedelta(minutes=1)
        self.customer("")
        request = CustomerRequest(email="eve@example.com", metadata={"owner": "6", "operation": "17"})
        made = self.gateway.create_customer(request, idempotency_key=self.key())
        self.forget_keys()
        found = self.gateway.find_customer(request, since=since)
        assert found is not None
        assert found.customer_id == made.customer_id
        unknown = CustomerRequest(metadata={"owner": "6", "operation": "18"})
        assert self.gateway.find_customer(unknown, since=since) is None

    def test_setup__found_without_its_key(self) -> None:
        """What a customer adds a payment method with is found by its metadata."""
        customer_id, marker = self.customer("").customer_id, {"operation": "17"}
        made = self.gateway.create_setup(customer_id, metadata=marker, idempotency_key=self.key())
        self.forget_keys()
        found = self.gateway.find_setup(customer_id, metadata=marker)
        assert found is not None
        assert (found.setup_id, found.client_secret) == (made.setup_id, made.client_secret)
        assert self.gateway.find_setup(customer_id, metadata={"operation": "18"}) is None

    def test_setup(self) -> None:
        """A customer adds a payment method in the browser, with a secret that is theirs alone."""
        customer = self.customer("")
        setup = self.gateway.create_setup(customer.customer_id, metadata={"operation": "7"}, idempotency_key=self.key())
        assert (setup.status, setup.payment_method_id) == ("requires_payment_method", "")
        assert setup.client_secret
        assert self.gateway.retrieve_setup(setup.setup_id).client_secret == setup.client_secret
        self.assert_plain(setup)
        if self.set_up(setup.setup_id):
            assert len(self.gateway.list_payment_methods(customer.customer_id)) == 1
