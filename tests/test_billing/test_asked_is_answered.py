"""What was asked for last is what is answered: each first attempt that nobody has paid for, then each other one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from django_stripe_gateway.models import BillingOperation, Customer, Subscription
from django_stripe_gateway.services.subscriptions.customers import ensure_customer
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from tests.test_billing.host import SubscriptionHost
from tests.test_billing.test_concurrency import client_of

pytestmark = pytest.mark.django_db(transaction=True)

Ask = Callable[["Shop"], dict[str, Any]]
# The first attempts of the daily tests; the others are for CI.
EVERYDAY = ("plain", "code", "page")
OVER = ("canceled", "incomplete_expired")


class Shop:
    """A host with all that can be chosen, and a customer who never finishes."""

    def __init__(self, host: SubscriptionHost) -> None:
        self.host = host
        host.basic.is_per_seat = True
        host.basic.save()
        self.yearly = host.sell("basic", Decimal("200.00"), interval="year")
        self.support = host.sell("support", Decimal("15.00"), is_add_on=True, may_be_added=True)
        host.fake.promotion_code(host.fake.coupon(percent_off=50, duration="forever")["id"], "HALF")
        host.fake.promotion_code(host.fake.coupon(percent_off=20, duration="forever")["id"], "FIFTH")

    def come_in(self, owner: Any) -> None:
        """Let another customer come, with two cards that will not pay."""
        self.client, self.customer = client_of(owner), ensure_customer(owner=owner)
        self.cards = [self.new_card() for _number in range(2)]

    def new_card(self) -> str:
        self.host.fake.customer_changes_card(self.customer.provider_id, "pm_card_chargeCustomerFail")
        settings = self.host.fake.get(self.customer.provider_id)["invoice_settings"]
        return str(settings["default_payment_method"])

    def ask(self, body: dict[str, Any]) -> Any:
        return self.host.post("subscribe", {"pricing_id": self.host.basic.pk, **body}, client=self.client)


ASKS: dict[str, Ask] = {
    "plain": lambda shop: {},
    "plan": lambda shop: {"pricing_id": shop.host.premium.pk},
    "interval": lambda shop: {"pricing_id": shop.yearly.pk},
    "seats": lambda shop: {"quantity": 3},
    "code": lambda shop: {"promotion_code": "HALF"},
    "other_code": lambda shop: {"promotion_code": "FIFTH"},
    "card": lambda shop: {"payment_method": shop.cards[0]},
    "other_card": lambda shop: {"payment_method": shop.cards[1]},
    "add_on": lambda shop: {"add_ons": [{"pricing_id": shop.support.pk}]},
    "page": lambda shop: {"mode": "checkout"},
    "page_of_plan": lambda shop: {"mode": "checkout", "pricing_id": shop.host.premium.pk},
    "page_with_code": lambda shop: {"mode": "checkout", "promotion_code": "HALF"},
}


def check_is_what_was_asked(shop: Shop, body: dict[str, Any], answer: Any) -> None:
    """Check the answer, and what there is at Stripe, against the request."""
    assert answer.status_code == 201, answer.content
    shown, fake = answer.json(), shop.host.fake
    assert shown["pricing"]["pricing_id"] == body.get("pricing_id", shop.host.basic.pk)
    assert shown["quantity"] == body.get("quantity", 1)
    row = Subscription.objects.not_ended().get(customer=shop.customer)
    operation = BillingOperation.objects.filter(subscription=row, kind__in=("subscribe", "checkout")).get()
    assert bool(operation.params["promotion_code_id"]) is ("promotion_code" in body)
    mine = {"customer": shop.customer.provider_id}
    alive = [one for one in fake.all("subscription") if one["status"] not in OVER and mine.items() <= one.items()]
    pages = [one for one in fake.all("checkout.session") if one["status"] == "open" and mine.items() <= one.items()]
    if body.get("mode") == "checkout":
        assert (shown["gateway_url"], alive) == (pages[0]["url"], [])
        assert len(pages) == 1
        return
    assert (len(alive), pages) == (1, [])
    assert shown["subscription_id"] == alive[0]["id"]
    assert shown["client_secret"]
    assert len(alive[0]["items"]["data"]) == 1 + len(body.get("add_ons", ()))
    assert len(alive[0]["discounts"]) == int("promotion_code" in body)
    assert alive[0]["default_payment_method"] == body.get("payment_method")
    codes = [fake.get(one)["promotion_code"] for one in alive[0]["discounts"]]
    assert [fake.get(one)["code"] for one in codes] == [body.get("promotion_code")] * len(codes)


@pytest.mark.parametrize(
    "first", [pytest.param(name, marks=[] if name in EVERYDAY else pytest.mark.slow) for name in ASKS]
)
def test_pairs(host: SubscriptionHost, django_user_model: Any, first: str) -> None:
    shop = Shop(host)
    for then in ASKS:
        shop.come_in(django_user_model.objects.create_user(f"{first}-{then}"))
        begun, asked = ASKS[first](shop), ASKS[then](shop)
        before = shop.ask(begun)
        check_is_what_was_asked(shop, begun, before)
        again = shop.ask(asked)
        check_is_what_was_asked(shop, asked, again)
        if first == then and "mode" not in asked:
            assert again.json()["subscription_id"] == before.json()["subscription_id"]
    assert Customer.objects.count() == len(ASKS)


def test_metadata(host: SubscriptionHost) -> None:
    first = subscribe(owner=host.user, plan=host.basic.plan, metadata={"campaign": "spring"})
    assert subscribe(owner=host.user, plan=host.basic.plan, metadata={"campaign": "spring"}) == first
    again = subscribe(owner=host.user, plan=host.basic.plan, metadata={"campaign": "summer"})
    assert again != first
    assert host.fake.get(again.provider_id)["metadata"]["campaign"] == "summer"
    assert Subscription.objects.not_ended().get() == again
