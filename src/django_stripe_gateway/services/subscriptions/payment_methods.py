"""What customers pay with: listed, added in the browser, removed; only which one is charged is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.db.models import Exists, OuterRef, Q

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.exceptions import InvalidInput, ProviderError, WrongState
from django_stripe_gateway.gateways.billing_values import PaymentMethodSnapshot, SetupSnapshot
from django_stripe_gateway.models import Customer, Subscription, SubscriptionItem
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.engine import is_unanswered, run
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.customers import MARKER, note_unheard_deletion, with_customer
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    CustomerVerb,
    ask_host_for,
    customer_id,
)
from django_stripe_gateway.services.transactions import payments_database

OBJECT_ID = re.compile(r"[A-Za-z0-9_]{1,255}")


class AddPaymentMethodVerb(CustomerVerb[SetupSnapshot]):
    """Make a SetupIntent."""

    kind = BillingOperationKind.ADD_PAYMENT_METHOD

    def call(self, claim: CustomerClaim) -> SetupSnapshot:
        """Make it, with the operation's mark."""
        mark = {MARKER: str(claim.operation.pk)}
        setup: SetupSnapshot = claim.gateway.create_setup(
            customer_id(claim), metadata=mark, idempotency_key=claim.key, **claim.further_argument
        )
        return setup

    def find_earlier(self, claim: CustomerClaim) -> SetupSnapshot | None:
        """Return the SetupIntent that carries the operation's mark."""
        setup: SetupSnapshot | None = claim.gateway.find_setup(
            customer_id(claim), metadata={MARKER: str(claim.operation.pk)}
        )
        return setup

    def apply(self, claim: CustomerClaim, answer: SetupSnapshot) -> str:
        """Keep its id with the operation; its secret is not stored."""
        return answer.setup_id


class RemovePaymentMethodVerb(CustomerVerb[PaymentMethodSnapshot]):
    """Detach a payment method."""

    kind = BillingOperationKind.REMOVE_PAYMENT_METHOD

    def check(self, claim: CustomerClaim) -> None:
        """Leave nothing that renews without a payment method to charge."""
        if _is_needed(claim.subject, claim.params["payment_method_id"]):
            sentence = "A subscription that renews is charged on it. Choose another default first, or cancel that."
            raise WrongState(sentence, code="payment_method_in_use")

    def call(self, claim: CustomerClaim) -> PaymentMethodSnapshot:
        """Detach it."""
        snapshot: PaymentMethodSnapshot = claim.gateway.detach_payment_method(
            claim.params["payment_method_id"], idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> PaymentMethodSnapshot | None:
        """Return the payment method if it is not the customer's any more: the provider detaches it once."""
        found: PaymentMethodSnapshot = claim.gateway.retrieve_payment_method(claim.params["payment_method_id"])
        return None if found.customer_id == customer_id(claim) else found

    def apply(self, claim: CustomerClaim, answer: PaymentMethodSnapshot) -> str:
        """Forget that the customer, or a subscription of theirs, was charged on it."""
        customer: Customer = claim.subject
        if customer.default_payment_method == answer.payment_method_id:
            customer.default_payment_method = ""
            customer.save(using=payments_database(), update_fields=["default_payment_method", "modified"])
        own = Subscription.objects.using(payments_database()).filter(customer=customer)
        own.filter(default_payment_method=answer.payment_method_id).update(default_payment_method="")
        return ""


ADD_PAYMENT_METHOD = register(AddPaymentMethodVerb())
REMOVE_PAYMENT_METHOD = register(RemovePaymentMethodVerb())


def list_payment_methods(*, customer: Customer | None) -> Sequence[PaymentMethodSnapshot]:
    """Return what a customer can be charged on, asked of the provider; nothing for whoever is no customer yet.

    Raises:
        ProviderError: the provider refused or failed.
    """
    if customer is None or not customer.exists_at_provider:
        return []
    try:
        return billing_gateway_of(customer).list_payment_methods(customer.provider_id or "")
    except ProviderError as error:
        if not note_unheard_deletion(customer, error):
            raise
    return []


def add_payment_method(*, customer: Customer, origin: Origin = SYSTEM) -> SetupSnapshot:
    """Return a SetupIntent, whose client secret lets the customer add a payment method in the browser.

    A customer that the provider has deleted is made anew.

    Raises:
        ProviderError: the provider refused or failed.
    """
    request = Request(further=ask_host_for(CallKind.PAYMENT_METHOD, customer, own_metadata=(MARKER,)))
    claim = with_customer(customer, lambda found: run(ADD_PAYMENT_METHOD, found.pk, request, origin), origin)
    setup: SetupSnapshot = claim.answer
    return setup


def retrieve_setup(*, customer: Customer, setup_id: str) -> SetupSnapshot:
    """Return a SetupIntent that was made for ``customer``, with its client secret."""
    return billing_gateway_of(customer).retrieve_setup(setup_id)


def remove_payment_method(*, customer: Customer, payment_method_id: str, origin: Origin = SYSTEM) -> None:
    """Take a payment method from a customer.

    A subscription that was charged on it is charged on the customer's default one from then on.

    Args:
        payment_method_id: the provider's id, as ``list_payment_methods`` gives it.

    Raises:
        InvalidInput: it is not the customer's.
        WrongState: what renews would be charged on nothing ("payment_method_in_use").
        ProviderError: the provider refused or failed.
    """
    params = {"payment_method_id": payment_method_id}
    request = Request(params=params, match=params)
    if not is_unanswered(REMOVE_PAYMENT_METHOD, customer.pk, request):
        # What an earlier attempt has taken away is nobody's any more.
        own_payment_method(customer, payment_method_id)
    run(REMOVE_PAYMENT_METHOD, customer.pk, request, origin)


def _is_needed(customer: Customer, payment_method_id: str) -> bool:
    """Return whether something of a customer's renews that nothing else would be charged for."""
    default = customer.default_payment_method
    if default not in ("", payment_method_id):
        return False
    costs = SubscriptionItem.objects.filter(subscription=OuterRef("pk")).filter(~Q(amount=0) | Q(is_metered=True))
    rows = Subscription.objects.using(payments_database()).filter(customer=customer).recurring()
    rows = rows.exclude(collection_method="send_invoice").filter(Exists(costs) | Q(scheduled_pricing__isnull=False))
    # What has none of its own is charged on the default one.
    return rows.filter(default_payment_method__in=[payment_method_id, ""] if default else [payment_method_id]).exists()


def own_payment_method(
    customer: Customer, payment_method_id: str, *, field: str = "payment_method_id"
) -> PaymentMethodSnapshot:
    """Return one of the customer's payment methods.

    Args:
        field: where the caller has named it, for the error.

    Raises:
        InvalidInput: it is somebody else's, or nobody's.
    """
    unknown = InvalidInput("There is no such payment method.", code="unknown_payment_method", field=field)
    # Anything else, such as "..", would be another address at the provider.
    if not OBJECT_ID.fullmatch(payment_method_id):
        raise unknown
    try:
        found = billing_gateway_of(customer).retrieve_payment_method(payment_method_id)
    except ProviderError as error:
        if not error.is_missing:
            raise
        found = None
    if found is None or not customer.exists_at_provider or found.customer_id != customer.provider_id:
        raise unknown
    return found
