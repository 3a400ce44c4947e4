"""Invoices that the seller makes, of no subscription, and what is put on the next one.

An invoice is drafted empty and gets its items one by one, so that none of them ever waits for another invoice; a draft
whose making is refused is deleted with them. What waits is put there by ``add_invoice_item`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import BillingOperationKind, InvoiceStatus
from django_stripe_gateway.exceptions import (
    InvalidAmount,
    InvalidInput,
    PaymentDeclined,
    UnsupportedByGateway,
    WrongState,
)
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.gateways.invoicing import (
    InvoiceItem,
    InvoiceItemRequest,
    InvoiceItemSnapshot,
    InvoiceRequest,
)
from django_stripe_gateway.models import Customer, Invoice, Subscription
from django_stripe_gateway.money import format_amount, to_minor_units
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.engine import run, scoped_request_key
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.customers import MARKER, ensure_customer, with_customer
from django_stripe_gateway.services.subscriptions.freshness import Look, Verdict, judge
from django_stripe_gateway.services.subscriptions.line import CustomerClaim, CustomerVerb, customer_id
from django_stripe_gateway.services.subscriptions.pay_invoice import pay_invoice
from django_stripe_gateway.services.subscriptions.sync import apply_invoice, lock_invoice, new_invoice
from django_stripe_gateway.services.transactions import payments_database

AUTOMATICALLY, SENT = "charge_automatically", "send_invoice"
# Stripe takes more; a request that takes minutes nobody waits for.
MAX_ITEMS = 50
MAX_QUANTITY = 999_999


class AddInvoiceItemVerb(CustomerVerb[InvoiceItemSnapshot]):
    """Let something wait for the next invoice."""

    kind = BillingOperationKind.ADD_INVOICE_ITEM

    def call(self, claim: CustomerClaim) -> InvoiceItemSnapshot:
        """Put it there, with the operation's mark."""
        params = claim.params
        (item,) = _read_items(params)
        request = InvoiceItemRequest(
            customer_id=customer_id(claim),
            item=item,
            currency=params["currency"],
            subscription_id=params["subscription_id"],
            metadata=_mark(claim),
        )
        snapshot: InvoiceItemSnapshot = claim.gateway.create_invoice_item(request, idempotency_key=claim.key)
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> InvoiceItemSnapshot | None:
        """Return the item that carries the operation's mark."""
        found: InvoiceItemSnapshot | None = claim.gateway.find_invoice_item(customer_id(claim), metadata=_mark(claim))
        return found

    def apply(self, claim: CustomerClaim, answer: InvoiceItemSnapshot) -> str:
        """Keep its id with the operation: its invoice says the rest."""
        return answer.item_id


class CreateInvoiceVerb(CustomerVerb[InvoiceSnapshot]):
    """Make an invoice with its items; ``claim.result`` is its row."""

    kind = BillingOperationKind.CREATE_INVOICE

    def begin_call(self, claim: CustomerClaim) -> None:
        """Take back a draft whose making is refused: this attempt's, or an earlier one's."""
        super().begin_call(claim)
        claim.undo = lambda: claim.gateway.discard_invoice(
            customer_id(claim), metadata=_mark(claim), idempotency_key=f"{claim.key}-undo"
        )

    def call(self, claim: CustomerClaim) -> InvoiceSnapshot:
        """Make it, or carry on with the draft that an earlier attempt has left."""
        is_repeat = claim.operation.attempts > 1
        snapshot: InvoiceSnapshot = claim.gateway.create_invoice(
            _request(claim), is_repeat=is_repeat, idempotency_key=claim.key
        )
        return snapshot

    def find_earlier(self, claim: CustomerClaim) -> InvoiceSnapshot | None:
        """Return the invoice that carries the operation's mark, unless it is a draft, which may lack something."""
        found: InvoiceSnapshot | None = claim.gateway.find_made_invoice(customer_id(claim), metadata=_mark(claim))
        return None if found is None or found.status == InvoiceStatus.DRAFT else found

    def apply(self, claim: CustomerClaim, answer: InvoiceSnapshot) -> str:
        """Store the invoice, unless an event was faster."""
        assert claim.began is not None  # noqa: S101 (the provider was asked)
        customer = claim.subject
        invoice = lock_invoice(customer.variant, answer.invoice_id) or new_invoice(customer, answer, None)
        if judge(invoice, look=Look(None, claim.began, answer)) is not Verdict.KEEP:
            apply_invoice(invoice, answer, claim.origin)
        claim.result = invoice
        return answer.invoice_id


ADD_INVOICE_ITEM = register(AddInvoiceItemVerb())
CREATE_INVOICE = register(CreateInvoiceVerb())


def add_invoice_item(
    *,
    owner: Any = None,
    subscription: Subscription | None = None,
    amount: Decimal,
    currency: str,
    description: str,
    quantity: int = 1,
    variant: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> InvoiceItemSnapshot:
    """Put something on the next invoice of an owner, or of a subscription.

    Args:
        owner: who is billed with whatever invoice comes next; or ``subscription``, whose next one bills it.
        amount: of one piece, in the currency's units, e.g. ``Decimal("10.00")``.
        currency: ISO code, any case; an invoice has one, so it is that of what they are billed for.
        description: what the customer reads.
        variant: payment variant, empty for the one that sells subscriptions.
        idempotency_key: the same key of the same customer adds nothing again.

    Returns:
        The item, by the provider's id ``item_id``.

    Raises:
        InvalidInput: amount, currency or quantity cannot be accepted, or not one of owner and subscription is named.
        UnsupportedByGateway: this provider cannot do it.
        ProviderError: the provider refused or failed.
    """
    if (owner is None) == (subscription is None):
        raise InvalidInput("Name an owner or a subscription.", field="owner")
    if subscription is not None and (not subscription.provider_id or subscription.has_ended):
        raise WrongState(f"A subscription that is {subscription.status} has no next invoice.")
    params = _params([InvoiceItem(description, amount, quantity)], currency)
    params["subscription_id"] = "" if subscription is None else subscription.provider_id

    def add(customer: Customer) -> InvoiceItemSnapshot:
        gateway = _invoicing_gateway(customer)
        key = scoped_request_key(idempotency_key, ADD_INVOICE_ITEM.kind, customer.pk)
        about = {"subscription_id": subscription.pk} if subscription is not None else {}
        claim = run(ADD_INVOICE_ITEM, customer.pk, Request(params, params, about=about, key=key), origin)
        item: InvoiceItemSnapshot = claim.answer or gateway.retrieve_invoice_item(claim.operation.object_id)
        return item

    if subscription is not None:
        return add(subscription.customer)
    return with_customer(ensure_customer(owner=owner, variant=variant, origin=origin), add, origin)


def create_invoice(
    *,
    owner: Any,
    items: Sequence[InvoiceItem],
    currency: str,
    description: str = "",
    collection: str = AUTOMATICALLY,
    days_until_due: int | None = None,
    include_pending: bool = False,
    finalize: bool = True,
    pay: bool = True,
    variant: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
) -> Invoice:
    """Make an invoice for an owner now.

    Args:
        owner: who is billed, an instance of ``STRIPE_GATEWAY_OWNER_MODEL``.
        items: what it asks money for; may be empty with ``include_pending``.
        description: what the customer reads above them.
        collection: "charge_automatically", or "send_invoice": mailed to its customer, who pays within
            ``days_until_due``.
        include_pending: also what ``add_invoice_item`` has put on the next one.
        finalize: ``False`` leaves a draft, which nobody pays before somebody finalizes it at the provider.
        pay: charge the default payment method at once, without the customer; with ``False`` the provider does it, some
            hour later.
        variant: payment variant, empty for the one that sells subscriptions.
        idempotency_key: the same key of the same customer brings the same invoice again.

    Returns:
        The invoice. What was sent is open, with ``hosted_url``, where it is paid; so is what its customer has to
        authenticate for (``requires_action``).

    Raises:
        InvalidInput: amounts, currency, collection or days cannot be accepted.
        UnsupportedByGateway: this provider cannot do it.
        PaymentDeclined: the invoice is made, and open; ``extra["invoice_pk"]`` is its key. Its customer pays it on its
            page (``hosted_url``) or by the API.
        ProviderError: the provider refused or failed; with an unknown outcome a repeat under the same
            ``idempotency_key`` carries on.
    """
    if collection not in (AUTOMATICALLY, SENT):
        raise InvalidInput(f'Invoices are collected by "{AUTOMATICALLY}" or "{SENT}".', field="collection")
    if (collection == SENT) != (days_until_due is not None):
        raise InvalidInput(
            'Give days_until_due with collection "send_invoice", and with no other.', field="days_until_due"
        )
    if days_until_due is not None and days_until_due < 0:
        raise InvalidInput("The days must not be negative.", field="days_until_due")
    if not items and not include_pending:
        raise InvalidInput("An invoice needs an item.", field="items")
    params = _params(items, currency) | {
        "description": description,
        "collection_method": collection,
        "days_until_due": days_until_due,
        "include_pending": include_pending,
        "finalize": finalize,
    }

    def make(customer: Customer) -> Invoice:
        _invoicing_gateway(customer)
        key = scoped_request_key(idempotency_key, CREATE_INVOICE.kind, customer.pk)
        claim = run(CREATE_INVOICE, customer.pk, Request(params, params, key=key), origin)
        return _row(claim.subject, claim.operation.object_id)

    made = with_customer(ensure_customer(owner=owner, variant=variant, origin=origin), make, origin)
    return _paid(made, idempotency_key, origin) if pay and collection == AUTOMATICALLY else made


def _paid(invoice: Invoice, idempotency_key: str | None, origin: Origin) -> Invoice:
    """Charge an invoice that is open without its customer."""
    if not invoice.is_open:
        return invoice
    try:
        return pay_invoice(invoice=invoice, off_session=True, idempotency_key=idempotency_key, origin=origin)
    except PaymentDeclined as error:
        error.extra["invoice_pk"] = invoice.pk
        raise


def _row(customer: Customer, invoice_id: str) -> Invoice:
    rows = Invoice.objects.using(payments_database()).select_related("customer", "subscription")
    return rows.get(variant=customer.variant, provider_id=invoice_id)


def _invoicing_gateway(customer: Customer) -> Any:
    gateway = billing_gateway_of(customer)
    if not gateway.supports_invoicing:
        raise UnsupportedByGateway("This gateway makes no invoices on demand.")
    return gateway


def _params(items: Sequence[InvoiceItem], currency: str) -> dict[str, Any]:
    """Return items as an operation keeps them.

    Raises:
        InvalidInput: there are too many, or one cannot be charged.
    """
    if len(items) > MAX_ITEMS:
        raise InvalidInput(f"An invoice has at most {MAX_ITEMS} items here.", field="items")
    for item in items:
        if to_minor_units(item.amount, currency) == 0:
            raise InvalidAmount("The amount must be greater than zero.", field="amount")
        if isinstance(item.quantity, bool) or not 1 <= item.quantity <= MAX_QUANTITY:
            raise InvalidInput(f"The quantity is between 1 and {MAX_QUANTITY}.", field="quantity")
    kept = [
        {"description": item.description, "amount": format_amount(item.amount, currency), "quantity": item.quantity}
        for item in items
    ]
    return {"items": kept, "currency": currency.upper()}


def _read_items(params: Mapping[str, Any]) -> list[InvoiceItem]:
    return [InvoiceItem(item["description"], Decimal(item["amount"]), item["quantity"]) for item in params["items"]]


def _request(claim: CustomerClaim) -> InvoiceRequest:
    """Return the request of an operation, the same for every attempt at it."""
    params = claim.params
    request = InvoiceRequest(customer_id(claim), _read_items(params), params["currency"], metadata=_mark(claim))
    names = ("description", "collection_method", "days_until_due", "include_pending", "finalize")
    return replace(request, **{name: params[name] for name in names})


def _mark(claim: CustomerClaim) -> dict[str, str]:
    return {MARKER: str(claim.operation.pk)}
