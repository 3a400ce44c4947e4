"""`POST /v1/invoices` and `POST /v1/invoiceitems`."""

from __future__ import annotations

from tests.fake_stripe import one_off_invoices
from tests.fake_stripe.routes import Call, route
from tests.fake_stripe.state import Object


@route("POST", "/v1/invoices")
def create_invoice(call: Call) -> Object:
    """Make a draft."""
    return one_off_invoices.create(call.scope, call.params)


@route("POST", "/v1/invoiceitems")
def create_item(call: Call) -> Object:
    """Put something on an invoice, or let it wait for one."""
    return one_off_invoices.add_item(call.scope, call.params)
