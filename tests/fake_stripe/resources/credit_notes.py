"""`/v1/credit_notes`."""

from __future__ import annotations

from tests.fake_stripe import crediting, objects
from tests.fake_stripe.events import changing
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object


@route("POST", "/v1/credit_notes")
def create(call: Call) -> Object:
    """Give back a part of an invoice."""
    return crediting.create(call.scope, call.params)


@route("GET", "/v1/credit_notes")
def list_notes(call: Call) -> Object:
    """List credit notes, newest first."""
    wanted = {name: call.params[name] for name in ("customer", "invoice") if name in call.params}
    return paginate(call, call.scope.related("credit_note", **wanted))


@route("GET", "/v1/credit_notes/preview")
def preview(call: Call) -> Object:
    """Show a credit note without creating it."""
    return crediting.draft(call.scope, call.params)


@route("GET", "/v1/credit_notes/{id}")
def retrieve(call: Call) -> Object:
    """Return a credit note."""
    return call.scope.get("credit_note", call.id())


@route("GET", "/v1/credit_notes/{id}/lines")
def list_lines(call: Call) -> Object:
    """List the lines of a credit note."""
    return paginate(call, call.scope.get("credit_note", call.id())["lines"]["data"])


@route("POST", "/v1/credit_notes/{id}")
def update(call: Call) -> Object:
    """Change a credit note's memo or metadata."""
    note = call.scope.get("credit_note", call.id())
    with changing(call.scope, note, "credit_note.updated"):
        note["memo"] = call.params.get("memo", note["memo"])
        note["metadata"] = objects.merged_metadata(note["metadata"], call.params.get("metadata"))
    return note


@route("POST", "/v1/credit_notes/{id}/void")
def void(call: Call) -> Object:
    """Take a credit note back."""
    note = call.scope.get("credit_note", call.id())
    crediting.void(call.scope, note)
    return note
