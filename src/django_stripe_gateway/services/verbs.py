"""The table of all verbs; importing it puts each of them within the engine's reach."""

from __future__ import annotations

from typing import Any

from django_stripe_gateway.services.catalogue.meters import CREATE_METER
from django_stripe_gateway.services.catalogue.prices import ARCHIVE_PRICE, CREATE_PRICE, RESTORE_PRICE, SET_LOOKUP_KEY
from django_stripe_gateway.services.catalogue.products import ARCHIVE_PRODUCT, CREATE_PRODUCT, UPDATE_PRODUCT
from django_stripe_gateway.services.connect.accounts import CREATE_ACCOUNT, ONBOARD
from django_stripe_gateway.services.operations.verbs import Verb
from django_stripe_gateway.services.payments.cancel import CANCEL
from django_stripe_gateway.services.payments.capture import CAPTURE
from django_stripe_gateway.services.payments.charge import CHARGE
from django_stripe_gateway.services.payments.confirm import CONFIRM
from django_stripe_gateway.services.payments.create import CREATE
from django_stripe_gateway.services.payments.decide import ACCEPT, RETURN
from django_stripe_gateway.services.payments.refund import REFUND
from django_stripe_gateway.services.subscriptions.abandon import ABANDON
from django_stripe_gateway.services.subscriptions.add_items import ADD_ITEM, CHANGE_ITEM, REMOVE_ITEM
from django_stripe_gateway.services.subscriptions.cancel import CANCEL_SUBSCRIPTION, RESUME_SUBSCRIPTION
from django_stripe_gateway.services.subscriptions.change import CHANGE_SUBSCRIPTION
from django_stripe_gateway.services.subscriptions.collection import CHANGE_COLLECTION
from django_stripe_gateway.services.subscriptions.credit_notes import ISSUE_CREDIT_NOTE, VOID_CREDIT_NOTE
from django_stripe_gateway.services.subscriptions.customers import CREATE_CUSTOMER, UPDATE_CUSTOMER
from django_stripe_gateway.services.subscriptions.default_payment_method import SET_DEFAULT_PAYMENT_METHOD
from django_stripe_gateway.services.subscriptions.deletion import DELETE_CUSTOMER
from django_stripe_gateway.services.subscriptions.discounts import CHANGE_DISCOUNT
from django_stripe_gateway.services.subscriptions.invoicing import ADD_INVOICE_ITEM, CREATE_INVOICE
from django_stripe_gateway.services.subscriptions.pause import PAUSE_SUBSCRIPTION, UNPAUSE_SUBSCRIPTION
from django_stripe_gateway.services.subscriptions.pay_invoice import PAY_INVOICE
from django_stripe_gateway.services.subscriptions.payment_methods import ADD_PAYMENT_METHOD, REMOVE_PAYMENT_METHOD
from django_stripe_gateway.services.subscriptions.portal import OPEN_PORTAL
from django_stripe_gateway.services.subscriptions.refund_invoice import REFUND_INVOICE
from django_stripe_gateway.services.subscriptions.schedule import CANCEL_CHANGE, SCHEDULE_CHANGE
from django_stripe_gateway.services.subscriptions.setup_checkouts import OPEN_SETUP_CHECKOUT
from django_stripe_gateway.services.subscriptions.subscribe import OPEN_CHECKOUT, SUBSCRIBE
from django_stripe_gateway.services.subscriptions.trials import CHANGE_TRIAL

VERBS: tuple[Verb[Any, Any, Any], ...] = (
    CREATE,
    CHARGE,
    CONFIRM,
    CAPTURE,
    CANCEL,
    REFUND,
    ACCEPT,
    RETURN,
    CREATE_CUSTOMER,
    UPDATE_CUSTOMER,
    DELETE_CUSTOMER,
    SUBSCRIBE,
    OPEN_CHECKOUT,
    CHANGE_SUBSCRIPTION,
    ADD_ITEM,
    CHANGE_ITEM,
    REMOVE_ITEM,
    SCHEDULE_CHANGE,
    CANCEL_CHANGE,
    CHANGE_COLLECTION,
    CHANGE_DISCOUNT,
    CHANGE_TRIAL,
    CANCEL_SUBSCRIPTION,
    ABANDON,
    RESUME_SUBSCRIPTION,
    PAUSE_SUBSCRIPTION,
    UNPAUSE_SUBSCRIPTION,
    ADD_PAYMENT_METHOD,
    SET_DEFAULT_PAYMENT_METHOD,
    REMOVE_PAYMENT_METHOD,
    OPEN_SETUP_CHECKOUT,
    PAY_INVOICE,
    REFUND_INVOICE,
    ISSUE_CREDIT_NOTE,
    VOID_CREDIT_NOTE,
    ADD_INVOICE_ITEM,
    CREATE_INVOICE,
    OPEN_PORTAL,
    CREATE_PRODUCT,
    UPDATE_PRODUCT,
    ARCHIVE_PRODUCT,
    CREATE_PRICE,
    ARCHIVE_PRICE,
    RESTORE_PRICE,
    SET_LOOKUP_KEY,
    CREATE_METER,
    CREATE_ACCOUNT,
    ONBOARD,
)
