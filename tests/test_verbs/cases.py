"""Every verb, as somebody asks for it: how one begins, what is asked, and what Stripe holds once it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from payments import get_payment_model

from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import Customer, Invoice, Plan, PlanPricing, Subscription
from django_stripe_gateway.services.catalogue.prices import ARCHIVE_PRICE, CREATE_PRICE, RESTORE_PRICE
from django_stripe_gateway.services.catalogue.products import ARCHIVE_PRODUCT, CREATE_PRODUCT, UPDATE_PRODUCT
from django_stripe_gateway.services.catalogue.publish import push_plan
from django_stripe_gateway.services.operations.verbs import Verb
from django_stripe_gateway.services.payments.cancel import CANCEL, cancel_payment
from django_stripe_gateway.services.payments.capture import CAPTURE, capture_payment
from django_stripe_gateway.services.payments.confirm import CONFIRM, confirm_payment
from django_stripe_gateway.services.payments.create import CREATE, create_payment
from django_stripe_gateway.services.payments.refresh import sync_payment
from django_stripe_gateway.services.payments.refund import REFUND, refund_payment
from django_stripe_gateway.services.subscriptions.cancel import (
    CANCEL_SUBSCRIPTION,
    RESUME_SUBSCRIPTION,
    cancel_subscription,
    resume_subscription,
)
from django_stripe_gateway.services.subscriptions.change import CHANGE_SUBSCRIPTION, change_subscription
from django_stripe_gateway.services.subscriptions.collection import CHANGE_COLLECTION, change_collection
from django_stripe_gateway.services.subscriptions.customers import (
    CREATE_CUSTOMER,
    UPDATE_CUSTOMER,
    ensure_customer,
    update_customer,
)
from django_stripe_gateway.services.subscriptions.default_payment_method import (
    SET_DEFAULT_PAYMENT_METHOD,
    set_default_payment_method,
)
from django_stripe_gateway.services.subscriptions.discounts import CHANGE_DISCOUNT, apply_discount
from django_stripe_gateway.services.subscriptions.pause import (
    PAUSE_SUBSCRIPTION,
    UNPAUSE_SUBSCRIPTION,
    pause_subscription,
    unpause_subscription,
)
from django_stripe_gateway.services.subscriptions.pay_invoice import PAY_INVOICE, pay_invoice
from django_stripe_gateway.services.subscriptions.payment_methods import (
    ADD_PAYMENT_METHOD,
    REMOVE_PAYMENT_METHOD,
    add_payment_method,
    remove_payment_method,
)
from django_stripe_gateway.services.subscriptions.portal import OPEN_PORTAL, portal_url
from django_stripe_gateway.services.subscriptions.setup_checkouts import OPEN_SETUP_CHECKOUT, open_setup_checkout
from django_stripe_gateway.services.subscriptions.subscribe import OPEN_CHECKOUT, SUBSCRIBE, subscribe
from django_stripe_gateway.services.subscriptions.trials import CHANGE_TRIAL, end_trial
from tests.billing_factories import make_pricing
from tests.test_billing.host import SubscriptionHost

Act = Callable[[SubscriptionHost], Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One verb.

    Args:
        begin: brings the site to where the verb can be asked for.
        act: asks for it; safe to call again.
        makes: kind of Stripe's object → how many more there are once it is done.
        events: type of Stripe's event → how many more there are.
        flow: the payments' flow.
    """

    verb: Verb[Any, Any, Any]
    begin: Act
    act: Act
    makes: Mapping[str, int] = field(default_factory=dict)
    events: Mapping[str, int] = field(default_factory=dict)
    flow: str = "checkout"

    def __str__(self) -> str:
        return f"{self.verb.noun}-{self.verb.kind}-{self.flow}"


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


def authorised(host: SubscriptionHost) -> None:
    paid(host, capture_method="manual")


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


def paused(host: SubscriptionHost) -> None:
    subscribed(host)
    pause_subscription(subscription=Subscription.objects.get())


def on_the_one(service: Callable[..., Any], **values: Any) -> Act:
    """Return the act that calls a service for the one subscription."""
    return lambda host: service(subscription=Subscription.objects.get(), idempotency_key="k", **values)


def change(host: SubscriptionHost) -> Any:
    one = Subscription.objects.get()
    return change_subscription(subscription=one, pricing=host.premium, proration="always_invoice", idempotency_key="k")


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


def price_archived(host: SubscriptionHost) -> None:
    get_billing_gateway("stripe").archive_price(host.basic.stripe_price_id or "", idempotency_key="archived")
    host.deliver_new()
    PlanPricing.objects.filter(pk=host.basic.pk).update(is_active=True)


def plan_not_sold(host: SubscriptionHost) -> None:
    price_archived(host)
    Plan.objects.filter(pk=host.basic.plan_id).update(is_active=False)


CASES: tuple[Case, ...] = (
    Case(CREATE, nothing, waiting, {"checkout.session": 1}),
    Case(CREATE, nothing, waiting, {"payment_intent": 1}, flow="intent"),
    Case(
        CONFIRM,
        waiting,
        lambda host: confirm_payment(payment=the_payment(), payment_method="pm_card_visa", idempotency_key="k"),
        {"charge": 1},
        {"payment_intent.succeeded": 1},
        flow="intent",
    ),
    Case(
        CAPTURE,
        authorised,
        lambda host: capture_payment(payment=the_payment(), amount=Decimal(6), idempotency_key="k"),
        events={"payment_intent.succeeded": 1},
    ),
    Case(
        CANCEL,
        authorised,
        lambda host: cancel_payment(payment=the_payment(), idempotency_key="k"),
        events={"payment_intent.canceled": 1},
    ),
    Case(
        REFUND,
        paid,
        lambda host: refund_payment(payment=the_payment(), amount=Decimal(6), idempotency_key="k"),
        {"refund": 1},
    ),
    Case(CREATE_CUSTOMER, nothing, customer, {"customer": 1}),
    Case(UPDATE_CUSTOMER, renamed, lambda host: update_customer(customer=Customer.objects.get())),
    Case(
        SUBSCRIBE,
        customer,
        lambda host: subscribe(owner=host.user, plan=host.basic.plan, idempotency_key="k"),
        {"subscription": 1, "invoice": 1, "payment_intent": 1},
    ),
    Case(
        OPEN_CHECKOUT,
        customer,
        lambda host: subscribe(
            owner=host.user,
            plan=host.basic.plan,
            mode="checkout",
            success_url="https://shop.example/",
            cancel_url="https://shop.example/",
            idempotency_key="k",
        ),
        {"checkout.session": 1},
    ),
    Case(CHANGE_SUBSCRIPTION, subscribed, change, {"invoice": 1, "payment_intent": 1, "charge": 1}),
    Case(
        CANCEL_SUBSCRIPTION,
        subscribed,
        on_the_one(cancel_subscription, at_period_end=False),
        events={"customer.subscription.deleted": 1},
    ),
    Case(
        CANCEL_SUBSCRIPTION,
        subscribed,
        on_the_one(cancel_subscription, at_period_end=False, refund_unused="refund"),
        {"refund": 1, "credit_note": 1},
        {"customer.subscription.deleted": 1, "credit_note.created": 1},
    ),
    Case(
        CANCEL_SUBSCRIPTION,
        subscribed,
        on_the_one(cancel_subscription, at_period_end=False, refund_unused="credit"),
        {"invoice": 1},
        {"customer.subscription.deleted": 1},
    ),
    Case(
        CHANGE_TRIAL,
        on_trial,
        lambda host: end_trial(subscription=Subscription.objects.get(), idempotency_key="k"),
        {"invoice": 1, "payment_intent": 1, "charge": 1},
    ),
    Case(
        CHANGE_DISCOUNT,
        with_promotion_code,
        on_the_one(apply_discount, promotion_code="ONCE"),
        {"discount": 1},
    ),
    Case(
        CHANGE_COLLECTION,
        subscribed,
        on_the_one(change_collection, collection_method="send_invoice", days_until_due=30),
    ),
    Case(RESUME_SUBSCRIPTION, cancelled, on_the_one(resume_subscription)),
    Case(PAUSE_SUBSCRIPTION, subscribed, on_the_one(pause_subscription)),
    Case(UNPAUSE_SUBSCRIPTION, paused, on_the_one(unpause_subscription)),
    Case(
        ADD_PAYMENT_METHOD,
        customer,
        lambda host: add_payment_method(customer=Customer.objects.get()),
        {"setup_intent": 1},
    ),
    Case(
        SET_DEFAULT_PAYMENT_METHOD,
        with_another_card,
        lambda host: set_default_payment_method(customer=host.customer, payment_method_id=the_card(host)),
        events={"customer.subscription.updated": 1},
    ),
    Case(
        OPEN_SETUP_CHECKOUT,
        customer,
        lambda host: open_setup_checkout(customer=host.customer, return_url="https://shop.example/"),
        {"checkout.session": 1},
    ),
    Case(
        PAY_INVOICE,
        past_due,
        lambda host: pay_invoice(invoice=Invoice.objects.get(billing_reason="subscription_cycle"), idempotency_key="k"),
        {"charge": 1},
        {"invoice.paid": 1},
    ),
    Case(
        REMOVE_PAYMENT_METHOD,
        with_card,
        lambda host: remove_payment_method(customer=host.customer, payment_method_id=the_card(host)),
        events={"payment_method.detached": 1},
    ),
    Case(OPEN_PORTAL, customer, lambda host: portal_url(customer=host.customer, return_url="https://shop.example/")),
    Case(CREATE_PRODUCT, without_product, push, {"product": 1}, {"product.created": 1}),
    Case(UPDATE_PRODUCT, plan_renamed, push),
    Case(ARCHIVE_PRODUCT, plan_not_sold, push),
    Case(CREATE_PRICE, another_price, push, {"price": 1}, {"price.created": 1}),
    Case(ARCHIVE_PRICE, price_not_sold, push),
    Case(RESTORE_PRICE, price_archived, push),
)
