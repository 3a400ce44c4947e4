"""Invoices of no subscription at Stripe, and what waits for the next one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django_stripe_gateway.choices import InvoiceStatus
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.billing_values import InvoiceSnapshot
from django_stripe_gateway.gateways.invoicing import (
    InvoiceItem,
    InvoiceItemRequest,
    InvoiceItemSnapshot,
    InvoiceRequest,
    InvoicingGateway,
)
from django_stripe_gateway.gateways.stripe.billing_objects import invoice_snapshot
from django_stripe_gateway.gateways.stripe.calls import StripeAccountCalls, ask
from django_stripe_gateway.gateways.stripe.customers import has_metadata
from django_stripe_gateway.gateways.stripe.fields import (
    Object,
    count_of,
    metadata_of,
    object_id,
    optional_text,
    part,
    reads,
    signed_amount_of,
    text,
)
from django_stripe_gateway.money import to_minor_units

DESCRIPTION_LENGTH = 500
MEMO_LENGTH = 1500
# Which of an invoice's items one is: a repeat adds those that are not there yet.
POSITION = "position"


@reads("an invoice item")
def invoice_item_snapshot(obj: Object) -> InvoiceItemSnapshot:
    """Return the snapshot of an InvoiceItem, of either API generation."""
    currency = text(obj["currency"])
    subscription = obj.get("subscription") or part(part(obj.get("parent")).get("subscription_details")).get(
        "subscription"
    )
    return InvoiceItemSnapshot(
        item_id=text(obj["id"]),
        description=optional_text(obj.get("description")),
        amount=signed_amount_of(obj["amount"], currency),
        currency=currency.upper(),
        quantity=count_of(obj.get("quantity"), 1),
        customer_id=object_id(obj.get("customer")),
        subscription_id=object_id(subscription),
        invoice_id=object_id(obj.get("invoice")),
        metadata=metadata_of(obj.get("metadata")),
    )


class StripeInvoicing(StripeAccountCalls, InvoicingGateway):
    """A draft is made first, and its items on it, so that none is ever left to the next renewal."""

    supports_invoicing = True

    def create_invoice_item(self, request: InvoiceItemRequest, *, idempotency_key: str) -> InvoiceItemSnapshot:
        """Let an item wait for the next invoice."""
        params = _item(request.item, request.currency, request.metadata) | {"customer": request.customer_id}
        if request.subscription_id:
            params["subscription"] = request.subscription_id
        return self._make_item(params, idempotency_key)

    def find_invoice_item(self, customer_id: str, *, metadata: Mapping[str, str]) -> InvoiceItemSnapshot | None:
        """Return the item that an earlier attempt has made, also if it is on an invoice by now."""
        return next(self._marked_items(metadata, customer=customer_id), None)

    def retrieve_invoice_item(self, item_id: str) -> InvoiceItemSnapshot:
        """Ask for an item."""
        return ask(lambda: self.v1.invoice_items.retrieve(item_id), invoice_item_snapshot)

    def create_invoice(
        self, request: InvoiceRequest, *, is_repeat: bool = False, idempotency_key: str
    ) -> InvoiceSnapshot:
        """Make a draft, put its items on it, and finalize it; one that is to be sent Stripe mails to its customer."""
        draft = self.find_made_invoice(request.customer_id, metadata=request.metadata) if is_repeat else None
        there: set[str] = set()
        if draft is None:
            draft = self._send(
                self.v1.invoices.create, invoice_snapshot, idempotency_key, params=_draft_params(request)
            )
        else:
            there = {item.metadata.get(POSITION, "") for item in self._items_of(draft, request.metadata)}
        for position, item in enumerate(request.items):
            if str(position) not in there:
                metadata = {**request.metadata, POSITION: str(position)}
                params = _item(item, request.currency, metadata)
                params |= {"customer": request.customer_id, "invoice": draft.invoice_id}
                self._make_item(params, f"{idempotency_key}-{position}")
        if not request.finalize:
            return ask(lambda: self.v1.invoices.retrieve(draft.invoice_id), invoice_snapshot)
        return self._finalize(draft.invoice_id, request, idempotency_key)

    def _finalize(self, invoice_id: str, request: InvoiceRequest, idempotency_key: str) -> InvoiceSnapshot:
        is_sent = request.collection_method == "send_invoice"
        # Stripe collects, and tries again, what is charged automatically.
        made = self._send(
            self.v1.invoices.finalize_invoice,
            invoice_snapshot,
            f"{idempotency_key}-finalize",
            invoice_id,
            params={"auto_advance": not is_sent},
            about_state=True,
        )
        if not is_sent or made.status != InvoiceStatus.OPEN:
            return made
        send = self.v1.invoices.send_invoice
        return self._send(send, invoice_snapshot, f"{idempotency_key}-send", invoice_id, about_state=True)

    def find_made_invoice(self, customer_id: str, *, metadata: Mapping[str, str]) -> InvoiceSnapshot | None:
        """Return the invoice that an earlier attempt has made, be it a draft."""
        listed = self._items(
            lambda params: self.v1.invoices.list(params=params), _invoice_and_metadata, customer=customer_id
        )
        return next((found for found, marks in listed if has_metadata(marks, metadata)), None)

    def discard_invoice(self, customer_id: str, *, metadata: Mapping[str, str], idempotency_key: str) -> None:
        """Delete the items first: those of a deleted draft would wait for the next invoice."""
        draft = self.find_made_invoice(customer_id, metadata=metadata)
        if draft is None or draft.status != InvoiceStatus.DRAFT:
            return
        for item in self._items_of(draft, metadata):
            self._delete(self.v1.invoice_items.delete, item.item_id)
        self._delete(self.v1.invoices.delete, draft.invoice_id)

    def _delete(self, call: Any, identifier: str) -> None:
        try:
            ask(call, lambda obj: None, identifier)
        except ProviderError as error:
            if not error.is_missing:
                raise

    def _make_item(self, params: dict[str, Any], idempotency_key: str) -> InvoiceItemSnapshot:
        return self._send(self.v1.invoice_items.create, invoice_item_snapshot, idempotency_key, params=params)

    def _items_of(self, draft: InvoiceSnapshot, metadata: Mapping[str, str]) -> list[InvoiceItemSnapshot]:
        return list(self._marked_items(metadata, invoice=draft.invoice_id))

    def _marked_items(self, metadata: Mapping[str, str], **wanted: str) -> Iterator[InvoiceItemSnapshot]:
        listed = self._items(lambda params: self.v1.invoice_items.list(params=params), invoice_item_snapshot, **wanted)
        return (item for item in listed if has_metadata(item.metadata, metadata))


def _invoice_and_metadata(obj: Object) -> tuple[InvoiceSnapshot, Mapping[str, str]]:
    return invoice_snapshot(obj), metadata_of(obj.get("metadata"))


def _item(item: InvoiceItem, currency: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    params: dict[str, Any] = {
        "unit_amount_decimal": str(to_minor_units(item.amount, currency)),
        "quantity": item.quantity,
        "currency": currency.lower(),
        "metadata": dict(metadata),
    }
    return params | ({"description": item.description[:DESCRIPTION_LENGTH]} if item.description else {})


def _draft_params(request: InvoiceRequest) -> dict[str, Any]:
    params: dict[str, Any] = {
        "customer": request.customer_id,
        "currency": request.currency.lower(),
        # Nothing happens to it before its items are on it.
        "auto_advance": False,
        "collection_method": request.collection_method,
        "pending_invoice_items_behavior": "include" if request.include_pending else "exclude",
        "metadata": dict(request.metadata),
    }
    if request.days_until_due is not None:
        params["days_until_due"] = request.days_until_due
    if request.description:
        params["description"] = request.description[:MEMO_LENGTH]
    return params
