"""Every verb, as somebody asks for it: how one begins, what is asked, and what Stripe holds once it is done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django_stripe_gateway.gateways.invoicing import InvoiceItem
from django_stripe_gateway.models import ConnectedAccount, CreditNote, Customer, Invoice, Subscription
from django_stripe_gateway.services.catalogue.meters import CREATE_METER
from django_stripe_gateway.services.catalogue.prices import ARCHIVE_PRICE, CREATE_PRICE, RESTORE_PRICE, SET_LOOKUP_KEY
from django_stripe_gateway.services.catalogue.products import ARCHIVE_PRODUCT, CREATE_PRODUCT, UPDATE_PRODUCT
from django_stripe_gateway.services.connect.accounts import CREATE_ACCOUNT, ONBOARD, onboarding_url
from django_stripe_gateway.services.operations.verbs import Verb
from django_stripe_gateway.services.payments.cancel import CANCEL, cancel_payment
from django_stripe_gateway.services.payments.capture import CAPTURE, capture_payment
from django_stripe_gateway.services.payments.charge import CHARGE, charge
from django_stripe_gateway.services.payments.confirm import CONFIRM, confirm_payment
from django_stripe_gateway.services.payments.create import CREATE
from django_stripe_gateway.services.payments.decide import ACCEPT, RETURN, accept_unexpected
from django_stripe_gateway.services.payments.refund import REFUND
from django_stripe_gateway.services.subscriptions.abandon import ABANDON
from django_stripe_gateway.services.subscriptions.add_items import (
    ADD_ITEM,
    CHANGE_ITEM,
    REMOVE_ITEM,
    add_item,
    change_item,
    remove_item,
)
from django_stripe_gateway.services.subscriptions.cancel import (
    CANCEL_SUBSCRIPTION,
    RESUME_SUBSCRIPTION,
    cancel_subscription,
    resume_subscription,
)
from django_stripe_gateway.services.subscriptions.change import CHANGE_SUBSCRIPTION
from django_stripe_gateway.services.subscriptions.collection import CHANGE_COLLECTION, change_collection
from django_stripe_gateway.services.subscriptions.credit_notes import (
    ISSUE_CREDIT_NOTE,
    VOID_CREDIT_NOTE,
    issue_credit_note,
    void_credit_note,
)
from django_stripe_gateway.services.subscriptions.customers import (
    CREATE_CUSTOMER,
    UPDATE_CUSTOMER,
    update_customer,
)
from django_stripe_gateway.services.subscriptions.default_payment_method import (
    SET_DEFAULT_PAYMENT_METHOD,
    set_default_payment_method,
)
from django_stripe_gateway.services.subscriptions.deletion import DELETE_CUSTOMER
from django_stripe_gateway.services.subscriptions.discounts import CHANGE_DISCOUNT, apply_discount
from django_stripe_gateway.services.subscriptions.invoicing import (
    ADD_INVOICE_ITEM,
    CREATE_INVOICE,
    add_invoice_item,
    create_invoice,
)
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
from django_stripe_gateway.services.subscriptions.refund_invoice import REFUND_INVOICE, refund_invoice
from django_stripe_gateway.services.subscriptions.schedule import CANCEL_CHANGE, SCHEDULE_CHANGE, cancel_change
from django_stripe_gateway.services.subscriptions.setup_checkouts import OPEN_SETUP_CHECKOUT, open_setup_checkout
from django_stripe_gateway.services.subscriptions.subscribe import OPEN_CHECKOUT, SUBSCRIBE, subscribe
from django_stripe_gateway.services.subscriptions.trials import CHANGE_TRIAL, end_trial
from tests.test_verbs.scenes import (
    Act,
    another_price,
    ask_for_the_meter,
    authorised,
    authorised_for_a_seller,
    billed,
    cancelled,
    change,
    close,
    connected,
    credited,
    customer,
    delete,
    give_back_six,
    give_back_unexpected,
    nothing,
    on_the_one,
    on_trial,
    owing,
    paid,
    paid_for_a_seller,
    paid_too_little,
    paid_too_little_for_a_seller,
    past_due,
    paused,
    plan_not_sold,
    plan_renamed,
    price_archived,
    price_by_use,
    price_named,
    price_not_sold,
    push,
    renamed,
    schedule,
    scheduled,
    subscribed,
    the_card,
    the_payment,
    waiting,
    with_add_on,
    with_another_card,
    with_card,
    with_page,
    with_promotion_code,
    with_support,
    without_product,
)


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
    Case(REFUND, paid, give_back_six, {"refund": 1}),
    Case(
        CAPTURE,
        authorised_for_a_seller,
        lambda host: capture_payment(
            payment=the_payment(), amount=Decimal(6), application_fee=Decimal(1), idempotency_key="k"
        ),
        {"transfer": 1, "application_fee": 1},
    ),
    Case(REFUND, paid_for_a_seller, give_back_six, {"refund": 1, "transfer_reversal": 1, "fee_refund": 1}),
    Case(
        RETURN,
        paid_too_little_for_a_seller,
        give_back_unexpected,
        {"refund": 1, "transfer_reversal": 1, "fee_refund": 1},
    ),
    Case(ACCEPT, paid_too_little, lambda host: accept_unexpected(payment=the_payment(), idempotency_key="k")),
    Case(RETURN, paid_too_little, give_back_unexpected, {"refund": 1}),
    Case(CREATE_ACCOUNT, nothing, connected, {"account": 1}),
    Case(
        ONBOARD,
        connected,
        lambda host: onboarding_url(
            account=ConnectedAccount.objects.get(),
            return_url="https://shop.test/a/",
            refresh_url="https://shop.test/b/",
        ),
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
        ADD_ITEM,
        with_support,
        lambda host: add_item(
            subscription=Subscription.objects.get(),
            pricing=host.support,
            proration="always_invoice",
            idempotency_key="k",
        ),
        {"invoice": 1, "payment_intent": 1, "charge": 1},
    ),
    Case(
        CHANGE_ITEM,
        with_add_on,
        lambda host: change_item(item=host.add_on, quantity=5, proration="always_invoice", idempotency_key="k"),
        {"invoice": 1, "payment_intent": 1, "charge": 1},
    ),
    Case(
        REMOVE_ITEM,
        with_add_on,
        lambda host: remove_item(item=host.add_on, idempotency_key="k"),
        events={"customer.subscription.updated": 1},
    ),
    Case(
        CANCEL_SUBSCRIPTION,
        subscribed,
        on_the_one(cancel_subscription, at_period_end=False),
        events={"customer.subscription.deleted": 1},
    ),
    Case(ABANDON, with_page, close, events={"checkout.session.expired": 1}),
    Case(DELETE_CUSTOMER, customer, delete, events={"customer.deleted": 1}),
    Case(SCHEDULE_CHANGE, subscribed, schedule, {"subscription_schedule": 1}),
    Case(
        CANCEL_CHANGE,
        scheduled,
        on_the_one(cancel_change),
        events={"subscription_schedule.released": 1},
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
        CHARGE,
        with_card,
        lambda host: charge(owner=host.user, amount=Decimal("10.00"), currency="USD", idempotency_key="k"),
        {"payment_intent": 1, "charge": 1},
        {"payment_intent.succeeded": 1},
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
        ADD_INVOICE_ITEM,
        customer,
        lambda host: add_invoice_item(
            owner=host.user, amount=Decimal(5), currency="USD", description="Setup", idempotency_key="k"
        ),
        {"invoiceitem": 1, "price": 1},
        {"invoiceitem.created": 1},
    ),
    Case(
        REFUND_INVOICE,
        billed,
        lambda host: refund_invoice(invoice=Invoice.objects.get(), amount=Decimal(5), idempotency_key="k"),
        {"refund": 1},
    ),
    Case(
        ISSUE_CREDIT_NOTE,
        owing,
        lambda host: issue_credit_note(
            invoice=Invoice.objects.get(status="open"), amount=Decimal(5), idempotency_key="k"
        ),
        {"credit_note": 1},
    ),
    Case(
        VOID_CREDIT_NOTE,
        credited,
        lambda host: void_credit_note(credit_note=CreditNote.objects.get(), idempotency_key="k"),
    ),
    Case(
        CREATE_INVOICE,
        with_card,
        lambda host: create_invoice(
            owner=host.user,
            items=[InvoiceItem("Hours", Decimal("50.00"), 3), InvoiceItem("Travel", Decimal("9.90"))],
            currency="USD",
            pay=False,
            idempotency_key="k",
        ),
        {"invoice": 1, "invoiceitem": 2, "price": 2, "payment_intent": 1},
        {"invoice.finalized": 1},
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
    Case(SET_LOOKUP_KEY, price_named, push, {}, {"price.updated": 1}),
    Case(CREATE_METER, price_by_use, ask_for_the_meter, {"billing.meter": 1}),
)
