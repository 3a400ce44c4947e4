"""Pay an open invoice now, instead of waiting for the provider's next attempt.

A payment method that is named pays this one invoice. Stripe gives it to the subscription as its own all the same, once
it has paid. So what the subscription was charged on before is kept with the operation, and put back after the payment.
One that comes through later, because its customer has to confirm it or their bank is slow, is heard of by an event.
"""

from __future__ import annotations

import logging

from django.utils import timezone

from django_stripe_gateway.choices import BillingOperationKind, InvoiceStatus, OperationState, SubscriptionStatus
from django_stripe_gateway.exceptions import (
    GatewayError,
    ProviderStateError,
    ProviderUnavailable,
    UnsupportedByGateway,
    WrongState,
)
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot, SubscriptionSnapshot
from django_stripe_gateway.models import BillingOperation, Invoice
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.engine import run, scoped_request_key
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.default_payment_method import SET_DEFAULT_PAYMENT_METHOD
from django_stripe_gateway.services.subscriptions.freshness import Known, Look
from django_stripe_gateway.services.subscriptions.invoices import (
    SETTLED_INVOICES,
    look_up_invoice,
    read_invoice,
    take_invoice_look,
)
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb, ask_after_commit, customer_id
from django_stripe_gateway.services.subscriptions.payment_methods import own_payment_method
from django_stripe_gateway.services.subscriptions.sync import look_up_subscription
from django_stripe_gateway.services.transactions import payments_database

logger = logging.getLogger(__name__)

# The parameter that keeps what a subscription was charged on; empty for its customer's default.
CHARGED_BEFORE = "charged_before"


class PayInvoiceVerb(CustomerVerb[InvoiceSnapshot]):
    """Charge an invoice that is open, or that was written off.

    ``claim.seen`` is the invoice as it was read last before the call, ``claim.result`` as it is afterwards.
    """

    kind = BillingOperationKind.PAY_INVOICE

    def check(self, claim: CustomerClaim) -> None:
        """Let only what can still be paid be paid."""
        claim.seen = invoice = read_invoice(claim.params["invoice_pk"])
        if not invoice.is_payable:
            raise WrongState(f"This invoice is {invoice.status}.")

    def begin_call(self, claim: CustomerClaim) -> None:
        """Remember the invoice as it is before its answer, which an event may overtake."""
        claim.seen = claim.seen or read_invoice(claim.params["invoice_pk"])

    def call(self, claim: CustomerClaim) -> InvoiceSnapshot:
        """Charge it, and let the subscription be charged on what it was charged on before."""
        if CHARGED_BEFORE in claim.params:
            # It may have been paid since: by an earlier attempt, or by the payment that an event tells of.
            found = self.find_earlier(claim)
            if found is not None:
                return found
        _keep_what_is_charged(claim)
        snapshot: InvoiceSnapshot = claim.gateway.pay_invoice(
            claim.seen.provider_id,
            payment_method=claim.params["payment_method"],
            off_session=claim.params["off_session"],
            idempotency_key=claim.key,
        )
        _put_back(claim, snapshot)
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> InvoiceSnapshot | None:
        """Return the invoice if it is paid, or will never be: what was declined or never begun may be tried again."""
        found: InvoiceSnapshot = claim.gateway.retrieve_invoice(claim.seen.provider_id)
        if found.status not in SETTLED_INVOICES:
            return None
        _put_back(claim, found)
        return found

    def apply(self, claim: CustomerClaim, answer: InvoiceSnapshot) -> str:
        """Bring the invoice to what the provider says, unless an event has been faster."""
        assert claim.began is not None  # noqa: S101 (the provider was asked)
        look = Look(Known.of(claim.seen), claim.began, answer, asked=timezone.now())
        claim.result = take_invoice_look(claim.seen, look, claim.origin)
        if answer.status in SETTLED_INVOICES:
            # It was put back; no event has to see to it.
            claim.params.pop(CHARGED_BEFORE, None)
            _forget_what_was_charged(claim.subject.pk, answer.invoice_id)
        return answer.invoice_id

    def after_apply(self, claim: CustomerClaim) -> None:
        """Look up the invoice if an event has crossed its answer, and the subscription that it has paid for."""
        try:
            if claim.result is None:
                claim.result = look_up_invoice(claim.seen.pk, claim.origin)
            subscription = claim.seen.subscription
            if subscription is not None and subscription.provider_id:
                look_up_subscription(subscription.pk, claim.origin)
        except GatewayError as error:
            # It is paid all the same, and its events are under way.
            logger.warning("What invoice %s has paid for was not looked up: %s.", claim.seen.provider_id, error.code)

    def after_refusal(self, claim: CustomerClaim, error: GatewayError, *, is_over: bool) -> None:
        """Bring the invoice of a refused call up to date, and its subscription."""
        if is_over and isinstance(error, ProviderStateError):
            look_up_invoice(claim.seen.pk, claim.origin)
        super().after_refusal(claim, error, is_over=is_over)


PAY_INVOICE = register(PayInvoiceVerb())


def pay_invoice(
    *,
    invoice: Invoice,
    payment_method: str = "",
    off_session: bool = False,
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Invoice:
    """Pay an open invoice now, or one that was written off (uncollectible), which its customer pays after all.

    Args:
        payment_method: one of its customer's, for this invoice alone, unless it is the first one of its subscription,
            or nothing else could be charged for the next one; empty for what its subscription is charged on.
        off_session: the customer is not there to authenticate; what needs that is declined.

    Returns:
        The invoice: paid, or still what it was while a slow payment method is under way; or with ``requires_action``
        and a ``client_secret`` for the customer's browser.

    Raises:
        InvalidInput: the payment method is not the customer's.
        WrongState: it is neither.
        PaymentDeclined: the payment method was declined, or there is none.
        UnsupportedByGateway: this provider cannot do it.
        ProviderError: the provider refused or failed.
    """
    customer = invoice.customer
    if not billing_gateway_of(customer).supports_invoice_payment:
        raise UnsupportedByGateway("This gateway cannot pay an invoice on request.")
    if payment_method:
        own_payment_method(customer, payment_method, field="payment_method")
    params = {"invoice_pk": invoice.pk, "payment_method": payment_method, "off_session": off_session}
    key = scoped_request_key(idempotency_key, PAY_INVOICE.kind, invoice.pk)
    request = Request(params, params, about={"subscription_id": invoice.subscription_id}, key=key)
    claim = run(PAY_INVOICE, customer.pk, request, origin)
    paid: Invoice = claim.result or read_invoice(invoice.pk)
    if claim.result is None and paid.is_payable and paid.requires_action:
        # A repeat finds the attempt made; the secret came with the answer that was never given.
        return look_up_invoice(paid.pk, origin)
    return paid


def _keep_what_is_charged(claim: CustomerClaim) -> None:
    """Store, before the first attempt, what a subscription is charged on, unless a payment method may stay its own."""
    subscription, named = claim.seen.subscription, claim.params["payment_method"]
    if not named or CHARGED_BEFORE in claim.params or subscription is None or not subscription.provider_id:
        return
    found: SubscriptionSnapshot = claim.gateway.retrieve_subscription(subscription.provider_id)
    own = found.default_payment_method
    if found.status == SubscriptionStatus.INCOMPLETE or own == named:
        # What is paid with first is what renews.
        return
    if not (own or claim.gateway.retrieve_customer(customer_id(claim)).default_payment_method):
        # The next invoice would be charged on nothing.
        return
    claim.params[CHARGED_BEFORE] = own
    claim.operation.save(using=payments_database(), update_fields=["params", "modified"])


def put_back_what_was_charged(invoice: Invoice, origin: Origin) -> None:
    """See to it that a named payment method that was slow to pay pays this invoice alone.

    The caller holds the customer's lock. An operation is committed with the event, and carried out after it.
    """
    if not invoice.is_paid or invoice.subscription_id is None:
        return
    kept = _forget_what_was_charged(invoice.customer_id, invoice.provider_id)
    if not kept:
        return
    # What was charged before all attempts; a default that was chosen since is for what runs, too.
    first, last = kept[0], kept[-1]
    chosen = SET_DEFAULT_PAYMENT_METHOD.operations(invoice.customer_id).filter(
        kind=SET_DEFAULT_PAYMENT_METHOD.kind, state=OperationState.SUCCEEDED, pk__gt=first.pk
    )
    is_moved = any(params["running_subscriptions"] for params in chosen.values_list("params", flat=True))
    params = {**last.params, CHARGED_BEFORE: "" if is_moved else first.params[CHARGED_BEFORE]}
    ask_after_commit(PAY_INVOICE, invoice.customer_id, params, origin, subscription=invoice.subscription)


def _forget_what_was_charged(customer_pk: int, invoice_id: str) -> list[BillingOperation]:
    """Return the answered operations that keep what was charged before an invoice was paid, which keep it no more."""
    answered = PAY_INVOICE.operations(customer_pk).filter(kind=PAY_INVOICE.kind, state=OperationState.SUCCEEDED)
    kept = [found for found in answered.filter(object_id=invoice_id) if CHARGED_BEFORE in found.params]
    for operation in kept:
        params = {name: value for name, value in operation.params.items() if name != CHARGED_BEFORE}
        answered.filter(pk=operation.pk).update(params=params)
    return kept


def _put_back(claim: CustomerClaim, answer: InvoiceSnapshot) -> None:
    """Let a subscription be charged on what it was charged on before its invoice was paid."""
    own = claim.params.get(CHARGED_BEFORE)
    if own is None or answer.status != InvoiceStatus.PAID:
        return
    subscription_id = claim.seen.subscription.provider_id
    key = f"{claim.key}-{subscription_id}"
    try:
        found = claim.gateway.retrieve_subscription(subscription_id)
        if found.default_payment_method != claim.params["payment_method"]:
            # Another one has paid, on the provider's page, or has been chosen since.
            return
        if own:
            claim.gateway.charge_subscription_on(subscription_id, own, idempotency_key=key)
        else:
            claim.gateway.charge_customers_default(subscription_id, idempotency_key=key)
    except ProviderUnavailable:
        raise
    except GatewayError as error:
        # The subscription has ended, or its payment method is gone. The invoice is paid all the same.
        logger.warning("What pays %s next could not be put back: %s.", subscription_id, error.code)
