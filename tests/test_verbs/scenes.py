"""Where a site stands before a verb is asked for, and how it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from payments import get_payment_model

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import (
    ConnectedAccount,
    Customer,
    Invoice,
    Plan,
    PlanPricing,
    Subscription,
    SubscriptionItem,
)
from django_stripe_gateway.services.catalogue.meters import CREATE_METER
from django_stripe_gateway.services.catalogue.publish import Push, push_plan
from django_stripe_gateway.services.connect.accounts import create_connected_account
from django_stripe_gateway.services.connect.sync import sync_connected_account
from django_stripe_gateway.services.leaving.close import close_account
from django_stripe_gateway.services.origins import SYSTEM
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.services.payments.decide import refund_unexpected
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import refund_payment
from django_stripe_gateway.services.subscriptions.add_items import (
    add_item,
)
from django_stripe_gateway.services.subscriptions.cancel import (
    cancel_subscription,
)
from django_stripe_gateway.services.subscriptions.change import change_subscription
from django_stripe_gateway.services.subscriptions.credit_notes import issue_credit_note
from django_stripe_gateway.services.subscriptions.customers import (
    ensure_customer,
)
from django_stripe_gateway.services.subscriptions.deletion import delete_customer
from django_stripe_gateway.services.subscriptions.pause import (
    pause_subscription,
)
from tests.billing_factories import make_pricing
from tests.fake_stripe import connecting
from tests.test_billing.host import SubscriptionHost

Act = Callable[[SubscriptionHost], Any]


def nothing(host: SubscriptionHost) -> None:
    """Begin with an empty site."""


def the_payment() -> Any:
    return get_payment_model().objects.get()


def waiting(host: SubscriptionHost, **fields: Any) -> Any:
    return create_payment(
        owner=host.user,
        gateway="Stripe",
        amount=Decimal("10.00"),
        currency="USD",
        idempotency_key="the-order",
        **fields,
    )


def paid(host: SubscriptionHost, **fields: Any) -> None:
    host.fake.complete_checkout(waiting(host, **fields).transaction_id)
    sync_payment(payment=the_payment())


def paid_too_little(host: SubscriptionHost, **fields: Any) -> None:
    payment = waiting(host, **fields)

    def change(scope: Any, session: Any) -> None:
        session["amount_total"] = 800

    host.fake.act(payment.transaction_id, change)
    host.fake.complete_checkout(payment.transaction_id)
    sync_payment(payment=the_payment())


def connected(host: SubscriptionHost) -> None:
    create_connected_account(owner=host.user, gateway="stripe")


def sold(host: SubscriptionHost) -> dict[str, Any]:
    """Return what is said of a payment for a seller, who has told Stripe everything."""
    connected(host)
    account = ConnectedAccount.objects.get()
    host.fake.act(account.provider_id or "", connecting.onboard)
    sync_connected_account(account=account)
    return {"destination": account.provider_id, "application_fee": Decimal("1.50")}


def paid_for_a_seller(host: SubscriptionHost) -> None:
    paid(host, **sold(host))


def paid_too_little_for_a_seller(host: SubscriptionHost) -> None:
    paid_too_little(host, **sold(host))


def authorised_for_a_seller(host: SubscriptionHost) -> None:
    paid(host, capture_method="manual", **sold(host))


def authorised(host: SubscriptionHost) -> None:
    paid(host, capture_method="manual")


def give_back_six(host: SubscriptionHost) -> Any:
    return refund_payment(payment=the_payment(), amount=Decimal(6), idempotency_key="k")


def give_back_unexpected(host: SubscriptionHost) -> Any:
    return refund_unexpected(payment=the_payment(), idempotency_key="k")


def customer(host: SubscriptionHost) -> None:
    ensure_customer(owner=host.user)


def renamed(host: SubscriptionHost) -> None:
    customer(host)
    host.user.email = "countess@example.com"
    host.user.save()


def with_card(host: SubscriptionHost) -> None:
    customer(host)
    host.fake.customer_changes_card(host.customer.provider_id, "pm_card_visa")


def the_card(host: SubscriptionHost) -> str:
    return str(host.fake.all("payment_method")[-1]["id"])


def on_trial(host: SubscriptionHost) -> None:
    host.basic.trial_days = 7
    host.basic.save()
    with_card(host)
    host.subscribed()


def subscribed(host: SubscriptionHost) -> None:
    host.subscribed()
    host.change_card(Subscription.objects.get(), "pm_card_visa")


def billed(host: SubscriptionHost) -> None:
    subscribed(host)
    host.deliver_new()


def owing(host: SubscriptionHost) -> None:
    """Begin with an invoice that could not be charged."""
    subscribed(host)
    host.change_card(Subscription.objects.get(), "pm_card_chargeCustomerFail")
    host.fake.advance(days=31)
    host.deliver_new()


def credited(host: SubscriptionHost) -> None:
    owing(host)
    issue_credit_note(invoice=Invoice.objects.get(status="open"), amount=Decimal(5))


def with_another_card(host: SubscriptionHost) -> None:
    """Begin with a subscription that has a card of its own, and a card that is nobody's default yet."""
    host.subscribed()
    gateway = get_billing_gateway("stripe")
    gateway.attach_payment_method("pm_card_mastercard", host.customer.provider_id or "", idempotency_key="card")


def past_due(host: SubscriptionHost) -> None:
    """Begin with a renewal that was declined, and a card that works."""
    subscription = host.subscribed()
    host.change_card(subscription, "pm_card_chargeCustomerFail")
    host.fake.advance(days=32)
    host.change_card(subscription, "pm_card_visa")
    host.deliver_new()


def with_promotion_code(host: SubscriptionHost) -> None:
    """Begin with a code that can be redeemed once."""
    subscribed(host)
    host.fake.promotion_code(host.fake.coupon(percent_off=50, duration="forever")["id"], "ONCE", max_redemptions=1)


def cancelled(host: SubscriptionHost) -> None:
    subscribed(host)
    cancel_subscription(subscription=Subscription.objects.get())


def with_page(host: SubscriptionHost) -> None:
    """Begin with a page that could start a subscription."""
    host.subscribe(mode="checkout")


def close(host: SubscriptionHost) -> Any:
    """Close the account."""
    return close_account(owner=host.user)


def delete(host: SubscriptionHost) -> Any:
    """Delete the customer."""
    return delete_customer(Customer.objects.get(), SYSTEM)


def paused(host: SubscriptionHost) -> None:
    subscribed(host)
    pause_subscription(subscription=Subscription.objects.get())


def on_the_one(service: Callable[..., Any], **values: Any) -> Act:
    """Return the act that calls a service for the one subscription."""
    return lambda host: service(subscription=Subscription.objects.get(), idempotency_key="k", **values)


def change(host: SubscriptionHost) -> Any:
    one = Subscription.objects.get()
    return change_subscription(subscription=one, pricing=host.premium, proration="always_invoice", idempotency_key="k")


def with_support(host: SubscriptionHost) -> None:
    """Sell an add-on to somebody who has a plan."""
    host.support = host.sell("support", Decimal("15.00"), is_add_on=True, is_per_seat=True)
    subscribed(host)


def with_add_on(host: SubscriptionHost) -> None:
    """Put the add-on beside the plan; its row is kept as it was before it is changed or removed."""
    with_support(host)
    add_item(subscription=Subscription.objects.get(), pricing=host.support, quantity=2)
    host.add_on = SubscriptionItem.objects.select_related("subscription", "pricing").get(kind="add_on")


def schedule(host: SubscriptionHost) -> Any:
    one = Subscription.objects.get()
    return change_subscription(subscription=one, pricing=host.premium, at_period_end=True, idempotency_key="k")


def scheduled(host: SubscriptionHost) -> None:
    subscribed(host)
    change_subscription(subscription=Subscription.objects.get(), pricing=host.premium, at_period_end=True)


def push(host: SubscriptionHost) -> Any:
    return push_plan(plan=host.basic.plan)


def without_product(host: SubscriptionHost) -> None:
    PlanPricing.objects.filter(pk=host.basic.pk).update(stripe_product_id="prod_gone")


def plan_renamed(host: SubscriptionHost) -> None:
    Plan.objects.filter(pk=host.basic.plan_id).update(name="Other")


def another_price(host: SubscriptionHost) -> None:
    make_pricing(host.basic.plan, amount=Decimal(30), stripe_price_id=None)


def price_not_sold(host: SubscriptionHost) -> None:
    PlanPricing.objects.filter(pk=host.basic.pk).update(is_active=False)


def price_named(host: SubscriptionHost) -> None:
    PlanPricing.objects.filter(pk=host.basic.pk).update(lookup_key="basic")


def price_by_use(host: SubscriptionHost) -> None:
    make_pricing(host.basic.plan, usage_type="metered", metric="calls", stripe_price_id=None)


def ask_for_the_meter(host: SubscriptionHost) -> None:
    """Begin a push, and leave what comes after the meter to the next one."""
    push = Push(host.basic.plan, "stripe", SYSTEM)
    if not push.settle_earlier():
        push.ask(CREATE_METER, PlanPricing.objects.get(metric="calls"))


def price_archived(host: SubscriptionHost) -> None:
    get_billing_gateway("stripe").archive_price(host.basic.stripe_price_id or "", idempotency_key="archived")
    host.deliver_new()
    PlanPricing.objects.filter(pk=host.basic.pk).update(is_active=True)


def plan_not_sold(host: SubscriptionHost) -> None:
    price_archived(host)
    Plan.objects.filter(pk=host.basic.plan_id).update(is_active=False)
