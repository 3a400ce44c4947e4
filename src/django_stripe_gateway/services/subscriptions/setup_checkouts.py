"""Pages of the provider on which a customer adds a payment method, and makes it the default one if that was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.billing_values import BillingCheckoutSnapshot, SetupCheckoutRequest
from django_stripe_gateway.models import BillingOperation, Customer, PlanPricing, Subscription
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.engine import run
from django_stripe_gateway.services.operations.page_times import closing_moment, closing_time, make_page
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.customers import MARKER, with_customer
from django_stripe_gateway.services.subscriptions.default_payment_method import SET_DEFAULT_PAYMENT_METHOD
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    CustomerVerb,
    ask_after_commit,
    ask_host_for,
    customer_id,
)
from django_stripe_gateway.services.transactions import payments_database


class OpenSetupCheckoutVerb(CustomerVerb[BillingCheckoutSnapshot]):
    """Make such a page."""

    kind = BillingOperationKind.SETUP_CHECKOUT

    def check(self, claim: CustomerClaim) -> None:
        """Allow it, and fix when the page closes."""
        super().check(claim)
        claim.params.update(closing_time())

    def call(self, claim: CustomerClaim) -> BillingCheckoutSnapshot:
        """Make it, with the operation's mark; nothing is charged by that."""

        def make() -> BillingCheckoutSnapshot:
            request = SetupCheckoutRequest(
                customer_id=customer_id(claim),
                currency=claim.params["currency"],
                return_url=claim.params["return_url"],
                metadata={MARKER: str(claim.operation.pk)},
                expires_at=closing_moment(claim.params),
                further=claim.further,
            )
            page: BillingCheckoutSnapshot = claim.gateway.create_setup_checkout(request, idempotency_key=claim.key)
            return page

        return make_page(claim, make)

    def find_earlier(self, claim: CustomerClaim) -> BillingCheckoutSnapshot | None:
        """Return the page that carries the operation's mark."""
        page: BillingCheckoutSnapshot | None = claim.gateway.find_setup_checkout(
            customer_id(claim), metadata={MARKER: str(claim.operation.pk)}
        )
        return page

    def apply(self, claim: CustomerClaim, answer: BillingCheckoutSnapshot) -> str:
        """Keep the page's id with the operation, by which its completion is known; its address is not stored."""
        return answer.session_id


OPEN_SETUP_CHECKOUT = register(OpenSetupCheckoutVerb())


def open_setup_checkout(
    *, customer: Customer, return_url: str, set_default: bool = False, origin: Origin = SYSTEM
) -> BillingCheckoutSnapshot:
    """Return a page of the provider's on which the customer adds a payment method.

    A customer that the provider has deleted is made anew.

    Args:
        return_url: absolute address of the host's page that the provider's page links back to.
        set_default: charge what is added from then on, for running subscriptions too.

    Raises:
        UnsupportedByGateway: the provider has none.
        ProviderError: the provider refused or failed.
    """
    if not billing_gateway_of(customer).supports_setup_checkout:
        raise UnsupportedByGateway('This gateway has no page on which cards are added. Use the mode "direct".')
    params = {"return_url": return_url, "set_default": set_default, "currency": _currency(customer)}
    further = ask_host_for(CallKind.PAYMENT_METHOD_PAGE, customer, own_metadata=(MARKER,))
    request = Request(params=params, match=params, further=further)
    claim = with_customer(customer, lambda found: run(OPEN_SETUP_CHECKOUT, found.pk, request, origin), origin)
    page: BillingCheckoutSnapshot = claim.answer
    return page


def find_setup_operation(metadata: Mapping[str, Any], page_id: str, variants: list[str]) -> BillingOperation | None:
    """Return the operation that has made a page, found by the mark that it has left there.

    Args:
        page_id: of the page; an operation that has another one's id has not made this one.
        variants: the accounts in whose name the caller speaks.
    """
    marker = str(metadata.get(MARKER) or "")
    if not (marker.isascii() and marker.isdigit() and len(marker) < 19):
        return None
    rows = BillingOperation.objects.using(payments_database()).select_related("customer")
    made = rows.filter(pk=int(marker), kind=BillingOperationKind.SETUP_CHECKOUT, customer__variant__in=variants)
    # The page can be used before the answer that brings its id.
    return made.filter(object_id__in=("", page_id)).first()


def charge_what_was_added(operation: BillingOperation, page_id: str, payment_method_id: str, origin: Origin) -> None:
    """See to it that what was added on a page is charged from now on; the caller holds the customer's lock.

    A page cannot say so itself. So an operation is committed with the event, and carried out after it; ``reconcile``
    finds it if that fails. An event that is replayed asks for nothing: another default may have been chosen since.
    """
    asked = SET_DEFAULT_PAYMENT_METHOD.operations(operation.customer_id).filter(
        kind=SET_DEFAULT_PAYMENT_METHOD.kind, pk__gt=operation.pk
    )
    if any(params.get("page") == page_id for params in asked.values_list("params", flat=True)):
        return
    params = {"payment_method_id": payment_method_id, "running_subscriptions": True, "page": page_id}
    ask_after_commit(SET_DEFAULT_PAYMENT_METHOD, operation.customer_id, params, origin)


def _currency(customer: Customer) -> str:
    """Return what a customer pays in: as they did last, else as the account sells."""
    paid = Subscription.objects.using(payments_database()).filter(customer=customer, pricing__isnull=False)
    last = paid.order_by("-pk").values_list("pricing__currency", flat=True).first()
    sold = PlanPricing.objects.using(payments_database()).active().filter(variant=customer.variant)
    return last or sold.values_list("currency", flat=True).first() or "USD"
