"""Orders and what was done on them, with PayPal's own rules."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

Object = dict[str, Any]
TIME = "2026-11-02T10:00:00Z"
WHOLE = ("JPY", "HUF", "TWD")


class PayPalError(Exception):
    """A refusal, in PayPal's shape."""

    def __init__(self, status: int, name: str, issue: str = "", description: str = "") -> None:
        super().__init__(issue or name)
        self.status = status
        self.name = name
        self.issue = issue
        self.description = description or f"Refused: {issue or name}."


def unprocessable(issue: str, description: str = "") -> PayPalError:
    """Return the refusal of a request that makes no sense now."""
    return PayPalError(422, "UNPROCESSABLE_ENTITY", issue, description)


@dataclasses.dataclass
class Behaviour:
    """How PayPal and its buyers behave."""

    decline: str = ""  # issue with which captures and authorisations of orders are refused
    pending: bool = False  # captures stay pending
    capture_status: str = ""  # status of new captures, instead of COMPLETED
    refund_status: str = "COMPLETED"
    minimal: bool = False  # answers ignore ``Prefer: return=representation``
    inherits_custom_id: bool = True  # refunds without one carry the capture's


class State:
    """All objects; every method holds the lock."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.RLock()
        self.orders: dict[str, Object] = {}
        self.captures: dict[str, Object] = {}
        self.authorizations: dict[str, Object] = {}
        self.refunds: dict[str, Object] = {}
        self.order_of: dict[str, str] = {}
        self.behaviour = Behaviour()
        self.announce: Callable[[str, str, Object], None] = lambda *_event: None
        self._numbers = itertools.count(1)

    def new_id(self, prefix: str) -> str:
        """Return an id as PayPal's look."""
        return f"{prefix}{next(self._numbers):015d}"

    # Orders

    def create_order(self, body: Object) -> Object:
        """Return a new order that waits for its buyer."""
        if body.get("intent") not in ("CAPTURE", "AUTHORIZE"):
            raise PayPalError(400, "INVALID_REQUEST", "INVALID_PARAMETER_VALUE")
        unit = body["purchase_units"][0]
        check_amount(unit["amount"])
        _check_breakdown(unit)
        context = body["payment_source"]["paypal"]["experience_context"]
        if not context["return_url"].startswith("https://") or not context["cancel_url"].startswith("https://"):
            raise PayPalError(400, "INVALID_REQUEST", "INVALID_PARAMETER_SYNTAX")
        order_id = self.new_id("OR")
        self.orders[order_id] = {
            "id": order_id,
            "intent": body["intent"],
            "status": "PAYER_ACTION_REQUIRED",
            "payment_source": body["payment_source"],
            "purchase_units": [copy.deepcopy(unit)],
            "create_time": TIME,
        }
        return self.orders[order_id]

    def approve(self, order_id: str) -> Object:
        """Let the buyer approve an order."""
        order = self.order(order_id)
        if order["status"] not in ("PAYER_ACTION_REQUIRED", "APPROVED"):
            raise unprocessable("ORDER_COMPLETED_OR_VOIDED")
        order["status"] = "APPROVED"
        self.announce("CHECKOUT.ORDER.APPROVED", "checkout-order", order)
        return order

    def order(self, order_id: str) -> Object:
        """Return an order.

        Raises:
            PayPalError: there is none.
        """
        if order_id not in self.orders:
            raise PayPalError(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")
        return self.orders[order_id]

    def capture_order(self, order_id: str) -> Object:
        """Take the money of an approved order."""
        order = self._payable(order_id, "CAPTURE", "ORDER_ALREADY_CAPTURED")
        unit = order["purchase_units"][0]
        capture = self._new_capture(order, unit["amount"], f"{self.url}/v2/checkout/orders/{order_id}")
        order["status"] = "COMPLETED"
        self.announce("CHECKOUT.ORDER.COMPLETED", "checkout-order", order)
        self._announce_capture(capture)
        return order

    def authorize_order(self, order_id: str) -> Object:
        """Authorise the money of an approved order."""
        order = self._payable(order_id, "AUTHORIZE", "ORDER_ALREADY_AUTHORIZED")
        unit = order["purchase_units"][0]
        authorization = {
            "id": self.new_id("AU"),
            "status": "CREATED",
            "amount": _plain(unit["amount"]),
            "custom_id": unit.get("custom_id"),
            "invoice_id": unit.get("invoice_id"),
            "expiration_time": "2026-12-01T10:00:00Z",
            "supplementary_data": {"related_ids": {"order_id": order_id}},
            "links": [link("up", f"{self.url}/v2/checkout/orders/{order_id}")],
        }
        self.authorizations[authorization["id"]] = authorization
        self.order_of[authorization["id"]] = order_id
        _payments(order).setdefault("authorizations", []).append(authorization)
        order["status"] = "COMPLETED"
        self.announce("PAYMENT.AUTHORIZATION.CREATED", "authorization", authorization)
        return order

    def _payable(self, order_id: str, intent: str, already: str) -> Object:
        order = self.order(order_id)
        if order["intent"] != intent:
            raise unprocessable("ACTION_DOES_NOT_MATCH_INTENT")
        if order["status"] == "COMPLETED":
            raise unprocessable(already)
        if order["status"] != "APPROVED":
            raise unprocessable("ORDER_NOT_APPROVED", "Payer has not yet approved the Order for payment.")
        if self.behaviour.decline:
            issue = self.behaviour.decline
            raise unprocessable(issue, "The instrument presented was declined by ada@example.com's bank.")
        return order

    # Captures, voids and refunds

    def capture_authorization(self, authorization_id: str, body: Object) -> Object:
        """Take a part of an authorisation."""
        authorization = self._find(self.authorizations, authorization_id)
        if authorization["status"] == "VOIDED":
            raise unprocessable("AUTHORIZATION_VOIDED")
        if authorization["status"] == "CAPTURED":
            raise unprocessable("AUTHORIZATION_ALREADY_CAPTURED")
        check_amount(body["amount"])
        if Decimal(body["amount"]["value"]) > Decimal(authorization["amount"]["value"]):
            raise unprocessable("MAX_CAPTURE_AMOUNT_EXCEEDED")
        order = self.orders[self.order_of[authorization_id]]
        up = f"{self.url}/v2/payments/authorizations/{authorization_id}"
        capture = self._new_capture(order, body["amount"], up)
        capture["supplementary_data"]["related_ids"]["authorization_id"] = authorization_id
        authorization["status"] = "CAPTURED" if body.get("final_capture") else "PARTIALLY_CAPTURED"
        self._announce_capture(capture)
        return capture

    def void(self, authorization_id: str) -> Object:
        """Release an authorisation."""
        authorization = self._find(self.authorizations, authorization_id)
        if authorization["status"] == "VOIDED":
            raise unprocessable("PREVIOUSLY_VOIDED")
        if authorization["status"] != "CREATED":
            raise unprocessable("CANNOT_BE_VOIDED")
        authorization["status"] = "VOIDED"
        self.announce("PAYMENT.AUTHORIZATION.VOIDED", "authorization", authorization)
        return authorization

    def refund(self, capture_id: str, body: Object) -> Object:
        """Give back a part of a capture."""
        capture = self._find(self.captures, capture_id)
        if capture["status"] == "REFUNDED":
            raise unprocessable("CAPTURE_FULLY_REFUNDED")
        if capture["status"] == "PENDING":
            raise unprocessable("PENDING_CAPTURE")
        left = Decimal(capture["amount"]["value"]) - self._refunded(capture_id)
        amount = body.get("amount") or capture["amount"] | {"value": str(left)}
        check_amount(amount)
        if Decimal(amount["value"]) > left:
            raise unprocessable("REFUND_AMOUNT_EXCEEDED")
        refund = self._new_refund(capture, amount, body.get("custom_id"))
        self.announce("PAYMENT.CAPTURE.REFUNDED", "refund", refund)
        return refund

    def reverse(self, capture_id: str) -> Object:
        """Let PayPal take back what is left of a capture."""
        capture = self.captures[capture_id]
        left = Decimal(capture["amount"]["value"]) - self._refunded(capture_id)
        refund = self._new_refund(capture, capture["amount"] | {"value": str(left)}, None)
        self.announce("PAYMENT.CAPTURE.REVERSED", "refund", refund)
        return refund

    def settle(self, capture_id: str, status: str) -> None:
        """End the wait for a pending capture."""
        self.captures[capture_id]["status"] = status
        self._announce_capture(self.captures[capture_id])

    def _new_capture(self, order: Object, amount: Object, up: str) -> Object:
        unit = order["purchase_units"][0]
        status = self.behaviour.capture_status or ("PENDING" if self.behaviour.pending else "COMPLETED")
        capture = {
            "id": self.new_id("CA"),
            "status": status,
            "amount": _plain(amount),
            "final_capture": True,
            "custom_id": unit.get("custom_id"),
            "invoice_id": unit.get("invoice_id"),
            "supplementary_data": {"related_ids": {"order_id": order["id"]}},
            "links": [link("up", up)],
            "create_time": TIME,
        }
        if status == "COMPLETED":
            capture["seller_receivable_breakdown"] = _receivable(capture["amount"])
        if status == "DECLINED":
            capture["processor_response"] = {"response_code": "5120"}
        self.captures[capture["id"]] = capture
        self.order_of[capture["id"]] = order["id"]
        _payments(order).setdefault("captures", []).append(capture)
        return capture

    def _new_refund(self, capture: Object, amount: Object, custom_id: str | None) -> Object:
        inherited = capture.get("custom_id") if self.behaviour.inherits_custom_id else None
        refund = {
            "id": self.new_id("RE"),
            "status": self.behaviour.refund_status,
            "amount": _plain(amount),
            "links": [link("up", f"{self.url}/v2/payments/captures/{capture['id']}")],
            "create_time": TIME,
            # PayPal keeps its fee of what is given back.
            "seller_payable_breakdown": {"gross_amount": _plain(amount), "net_amount": _plain(amount)},
        }
        if custom_id or inherited:
            refund["custom_id"] = custom_id or inherited
        self.refunds[refund["id"]] = refund
        order = self.orders[self.order_of[capture["id"]]]
        _payments(order).setdefault("refunds", []).append(refund)
        whole = self._refunded(capture["id"]) >= Decimal(capture["amount"]["value"])
        capture["status"] = "REFUNDED" if whole else "PARTIALLY_REFUNDED"
        return refund

    def _refunded(self, capture_id: str) -> Decimal:
        amounts = [
            Decimal(refund["amount"]["value"])
            for refund in self.refunds.values()
            if refund["links"][0]["href"].endswith(capture_id) and refund["status"] in ("COMPLETED", "PENDING")
        ]
        return sum(amounts, Decimal(0))

    def _announce_capture(self, capture: Object) -> None:
        names = {"COMPLETED": "COMPLETED", "PENDING": "PENDING", "DECLINED": "DENIED"}
        self.announce(f"PAYMENT.CAPTURE.{names[capture['status']]}", "capture", capture)

    def _find(self, objects: dict[str, Object], object_id: str) -> Object:
        if object_id not in objects:
            raise PayPalError(404, "RESOURCE_NOT_FOUND", "INVALID_RESOURCE_ID")
        return objects[object_id]


def _receivable(amount: Object) -> Object:
    """Return what is left of a capture: PayPal keeps 3 % of it."""
    gross = Decimal(amount["value"])
    fee = (gross * 3 / 100).quantize(gross)
    shares = {"gross_amount": gross, "paypal_fee": fee, "net_amount": gross - fee}
    return {name: {"currency_code": amount["currency_code"], "value": str(share)} for name, share in shares.items()}


def link(rel: str, href: str) -> Object:
    """Return one of an object's links."""
    return {"href": href, "rel": rel, "method": "GET"}


def check_amount(amount: Object) -> None:
    """Refuse an amount that PayPal does not take.

    Raises:
        PayPalError: it does not.
    """
    value, currency = amount["value"], amount["currency_code"]
    decimals = len(value.partition(".")[2])
    if currency in WHOLE and decimals:
        raise unprocessable("DECIMALS_NOT_SUPPORTED")
    if decimals not in (0, 2):
        raise unprocessable("DECIMAL_PRECISION")
    if Decimal(value) <= 0:
        raise unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE")


def _check_breakdown(unit: Object) -> None:
    items = unit.get("items")
    if items is None:
        return
    total = sum((Decimal(item["unit_amount"]["value"]) * int(item["quantity"]) for item in items), Decimal(0))
    if total != Decimal(unit["amount"]["breakdown"]["item_total"]["value"]):
        raise unprocessable("ITEM_TOTAL_MISMATCH")
    if total != Decimal(unit["amount"]["value"]):
        raise unprocessable("AMOUNT_MISMATCH")


def _payments(order: Object) -> Object:
    found: Object = order["purchase_units"][0].setdefault("payments", {})
    return found


def _plain(amount: Object) -> Object:
    return {name: amount[name] for name in ("currency_code", "value")}
