"""What a host calls to sell plans, and to ask what an owner has; and how it keeps pages for those who have it.

``subscribe`` starts a subscription of an owner, at once or on a page of Stripe's. ``change_subscription`` moves it to
another plan, price or quantity; ``preview_change`` says first what that costs, and
``cancel_change`` takes back one that waits for the period's end. ``add_item``, ``change_item`` and
``remove_item`` are about what is charged beside the plan: add-ons, and what a meter counts. ``cancel_subscription``
lets it end with its period or at once, and ``resume_subscription`` takes that back; ``pause_subscription`` and
``unpause_subscription`` stop and start the collection of money. ``change_trial`` and
``end_trial`` move a trial's end, ``apply_discount`` and ``remove_discount`` lower the price and take that back, and
``change_collection`` lets invoices be sent. ``sync_subscription`` asks the provider how it stands.

Whom the provider bills is a ``Customer``. ``ensure_customer`` finds or makes an owner's, ``update_customer`` sends the
provider new details. ``list_payment_methods``, ``payment_methods_in_use``, ``add_payment_method``,
``open_setup_checkout``, ``set_default_payment_method``, ``remove_payment_method`` and ``portal_url`` are about what
customers are charged on. ``client_reference`` says on a payment link of Stripe's for which owner somebody buys.
Invoices come with the webhooks; ask for them with ``Invoice.objects.for_owner(owner).shown()``, and pay an open one at
once with ``pay_invoice``. ``create_invoice`` makes one of no subscription, and ``add_invoice_item`` puts something on
the next one. ``refund_invoice`` gives back what was paid; ``issue_credit_note`` takes something off an invoice, and
``void_credit_note`` takes that back.

Plans and prices are rows. ``push_plan`` and ``push_pricing`` bring them to the provider, ``replace_pricing`` and
``archive_pricing`` take a price off the market, ``pull_catalogue`` goes the other way, and ``find_drift`` says where
the two differ.

When an owner leaves, ``close_account`` ends what is charged, ``export_owner`` returns what is stored about them, and
``erase_owner`` erases what is personal. Each also takes the ``Customer`` of an owner who is gone.

``active_plan``, ``has_plan`` and ``subscriptions_for`` answer from the database alone. ``HasActivePlan`` guards views
of Django REST framework, ``plan_required`` views of Django. ``reconcile_subscriptions``, ``reconcile_customers`` and
``reconcile_billing_operations`` are what ``manage.py reconcile`` runs.

The verbs keep the rules of ``django_stripe_gateway.payments``: keyword arguments only, one change, an
``idempotency_key`` of the host's and an ``origin`` for the audit trail where they stand, errors that are a
``GatewayError``, and no transaction around them.

>>> from django_stripe_gateway.subscriptions import has_plan
>>> has_plan(user, "premium")  # doctest: +SKIP
True
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import resolve_url
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission, OperationHolderMixin
from rest_framework.request import Request
from rest_framework.views import APIView

from django_stripe_gateway.api.owners import request_owner
from django_stripe_gateway.gateways.invoice_money import CreditNoteLine
from django_stripe_gateway.gateways.invoicing import InvoiceItem
from django_stripe_gateway.services.catalogue.drift import Drift, find_drift
from django_stripe_gateway.services.catalogue.publish import archive_pricing, push_plan, push_pricing, replace_pricing
from django_stripe_gateway.services.catalogue.pull import PulledPlan, pull_catalogue
from django_stripe_gateway.services.catalogue.steps import CatalogueStep
from django_stripe_gateway.services.leaving.close import close_account
from django_stripe_gateway.services.leaving.erase import ErasureReport, erase_owner
from django_stripe_gateway.services.leaving.export import export_owner
from django_stripe_gateway.services.leaving.report import LeavingReport, LeavingStep
from django_stripe_gateway.services.subscriptions.add_items import add_item, change_item, remove_item
from django_stripe_gateway.services.subscriptions.cancel import cancel_subscription, resume_subscription
from django_stripe_gateway.services.subscriptions.change import change_subscription, preview_change
from django_stripe_gateway.services.subscriptions.client_references import client_reference
from django_stripe_gateway.services.subscriptions.collection import change_collection
from django_stripe_gateway.services.subscriptions.credit_notes import issue_credit_note, void_credit_note
from django_stripe_gateway.services.subscriptions.customers import ensure_customer, update_customer
from django_stripe_gateway.services.subscriptions.default_payment_method import (
    PaymentMethodsInUse,
    payment_methods_in_use,
    set_default_payment_method,
)
from django_stripe_gateway.services.subscriptions.discounts import apply_discount, remove_discount
from django_stripe_gateway.services.subscriptions.give_up import give_up_subscription
from django_stripe_gateway.services.subscriptions.invoicing import add_invoice_item, create_invoice
from django_stripe_gateway.services.subscriptions.pause import pause_subscription, unpause_subscription
from django_stripe_gateway.services.subscriptions.pay_invoice import pay_invoice
from django_stripe_gateway.services.subscriptions.payment_methods import (
    add_payment_method,
    list_payment_methods,
    remove_payment_method,
)
from django_stripe_gateway.services.subscriptions.plan_access import active_plan, has_plan, subscriptions_for
from django_stripe_gateway.services.subscriptions.portal import portal_url
from django_stripe_gateway.services.subscriptions.reconcile import (
    reconcile_billing_operations,
    reconcile_customers,
    reconcile_subscriptions,
)
from django_stripe_gateway.services.subscriptions.refund_invoice import refund_invoice
from django_stripe_gateway.services.subscriptions.schedule import cancel_change
from django_stripe_gateway.services.subscriptions.setup_checkouts import open_setup_checkout
from django_stripe_gateway.services.subscriptions.subscribe import subscribe
from django_stripe_gateway.services.subscriptions.sync import sync_subscription
from django_stripe_gateway.services.subscriptions.trials import change_trial, end_trial

__all__ = [
    "CatalogueStep",
    "CreditNoteLine",
    "Drift",
    "ErasureReport",
    "HasActivePlan",
    "InvoiceItem",
    "LeavingReport",
    "LeavingStep",
    "PaymentMethodsInUse",
    "PulledPlan",
    "active_plan",
    "add_invoice_item",
    "add_item",
    "add_payment_method",
    "apply_discount",
    "archive_pricing",
    "cancel_change",
    "cancel_subscription",
    "change_collection",
    "change_item",
    "change_subscription",
    "change_trial",
    "client_reference",
    "close_account",
    "create_invoice",
    "end_trial",
    "ensure_customer",
    "erase_owner",
    "export_owner",
    "find_drift",
    "give_up_subscription",
    "has_plan",
    "issue_credit_note",
    "list_payment_methods",
    "open_setup_checkout",
    "pause_subscription",
    "pay_invoice",
    "payment_methods_in_use",
    "plan_required",
    "portal_url",
    "preview_change",
    "pull_catalogue",
    "push_plan",
    "push_pricing",
    "reconcile_billing_operations",
    "reconcile_customers",
    "reconcile_subscriptions",
    "refund_invoice",
    "remove_discount",
    "remove_item",
    "remove_payment_method",
    "replace_pricing",
    "resume_subscription",
    "set_default_payment_method",
    "subscribe",
    "subscriptions_for",
    "sync_subscription",
    "unpause_subscription",
    "update_customer",
    "void_credit_note",
]

View = Callable[..., HttpResponseBase]


class HasActivePlan(OperationHolderMixin, BasePermission):
    """Let in whoever has one of some plans; written with their keys, as ``HasActivePlan("premium")``.

    Without keys any subscription that is valid will do. Combines with other permissions by ``&``, ``|`` and ``~``.
    """

    message = _("This needs another plan.")
    code = "plan_required"

    def __init__(self, *slugs: str) -> None:
        self.slugs = slugs

    def __call__(self) -> HasActivePlan:
        """Return itself: DRF calls what stands in ``permission_classes``."""
        return self

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the request's owner has one of the plans."""
        try:
            owner = request_owner(request)
        except NotAuthenticated:
            return False
        return has_plan(owner, *self.slugs)


def plan_required(*slugs: str, redirect_to: str = "") -> Callable[[View], View]:
    """Keep a view for owners who have one of some plans; others are sent to ``redirect_to``, or get 403.

    Args:
        slugs: keys of plans; without any, every valid subscription will do.
        redirect_to: address, path or name of a view, such as your page of prices.
    """

    def decorate(view: View) -> View:
        @functools.wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            try:
                owner = request_owner(request)
            except NotAuthenticated:
                return redirect_to_login(request.get_full_path())
            if has_plan(owner, *slugs):
                return view(request, *args, **kwargs)
            if redirect_to:
                return HttpResponseRedirect(resolve_url(redirect_to))
            raise PermissionDenied

        return guarded

    return decorate
