"""PayPal's objects as this app's frozen values: orders, captures, authorisations, refunds, and sales of the v1 API.

The only place that knows where a field lives. A payment's ``object_id`` is its order's id. Its ``intent_id`` is the
authorisation's, or where there is none the capture's: of all ids of a payment only that one stays the same from the
moment that it is known, whatever is captured, and in whichever order news arrives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NoReturn
from urllib.parse import urlsplit

from django_stripe_gateway.choices import RefundStatus
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.paypal.money import read_amount
from django_stripe_gateway.gateways.values import Failure, PaymentSnapshot, ProviderStatus, RefundSnapshot

Object = Mapping[str, Any]

KIND = "paypal.order"
APPROVAL_LINKS = ("payer-action", "approve")
DECLINED = "PayPal or the buyer's bank declined the payment."

ORDER_STATUSES = {
    "CREATED": ProviderStatus.OPEN,
    "SAVED": ProviderStatus.OPEN,
    "PAYER_ACTION_REQUIRED": ProviderStatus.OPEN,
    "APPROVED": ProviderStatus.APPROVED,
    "VOIDED": ProviderStatus.CANCELED,
    # Its payments say more; without any, they are still to come.
    "COMPLETED": ProviderStatus.PROCESSING,
}
# A refund leaves the capture as it was: the money had been taken.
CAPTURE_STATUSES = {
    "COMPLETED": ProviderStatus.SUCCEEDED,
    "PARTIALLY_REFUNDED": ProviderStatus.SUCCEEDED,
    "REFUNDED": ProviderStatus.SUCCEEDED,
    "PENDING": ProviderStatus.PROCESSING,
    "DECLINED": ProviderStatus.REJECTED,
    "FAILED": ProviderStatus.REJECTED,
}
AUTHORIZATION_STATUSES = {
    "CREATED": ProviderStatus.AUTHORIZED,
    "PARTIALLY_CAPTURED": ProviderStatus.AUTHORIZED,
    "PENDING": ProviderStatus.PROCESSING,
    "CAPTURED": ProviderStatus.PROCESSING,
    "DENIED": ProviderStatus.REJECTED,
    "VOIDED": ProviderStatus.CANCELED,
    "EXPIRED": ProviderStatus.CANCELED,
}
# v1 writes its states in lower case.
SALE_STATUSES = {
    "completed": ProviderStatus.SUCCEEDED,
    "partially_refunded": ProviderStatus.SUCCEEDED,
    "refunded": ProviderStatus.SUCCEEDED,
    "pending": ProviderStatus.PROCESSING,
    "denied": ProviderStatus.REJECTED,
}
REFUND_STATUSES: Mapping[str, str] = {
    "COMPLETED": RefundStatus.SUCCEEDED,
    "PENDING": RefundStatus.PENDING,
    "FAILED": RefundStatus.FAILED,
    "CANCELLED": RefundStatus.CANCELED,
}
# A capture by another one of these is the payment's; the first that fits tells where the payment stands.
RANKS = (ProviderStatus.SUCCEEDED, ProviderStatus.PROCESSING, ProviderStatus.REJECTED)

READING_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
_LINK = re.compile(r"/v[12]/(?P<kind>[a-z]+)/(?P<collection>[a-z]+)/(?P<id>[\w-]{1,64})", re.ASCII)


def order_snapshot(order: Object) -> PaymentSnapshot:
    """Return the snapshot of an order with all that was done on it.

    Raises:
        ProviderError: the order is half-formed.
    """
    try:
        return _order_snapshot(order)
    except READING_ERRORS as error:
        _refuse("an order", error)


def capture_snapshot(capture: Object) -> PaymentSnapshot:
    """Return the snapshot of a capture alone, as events carry it.

    Of an authorisation's capture nobody can tell what was asked for: its ``amount`` is ``None``.

    Raises:
        ProviderError: the capture is half-formed.
    """
    try:
        amount, currency = read_amount(capture["amount"])
        authorization = parent_id(capture, "authorizations")
        status = CAPTURE_STATUSES[capture["status"]]
        return PaymentSnapshot(
            kind=KIND,
            is_session=True,
            status=status,
            object_id=parent_id(capture, "orders"),
            intent_id=authorization or _text(capture["id"]),
            amount=None if authorization else amount,
            amount_received=amount if status == ProviderStatus.SUCCEEDED else None,
            currency=currency,
            failure=_capture_failure(capture) if status == ProviderStatus.REJECTED else None,
        )
    except READING_ERRORS as error:
        _refuse("a capture", error)


def authorization_snapshot(authorization: Object) -> PaymentSnapshot:
    """Return the snapshot of an authorisation alone, as events carry it.

    Raises:
        ProviderError: the authorisation is half-formed.
    """
    try:
        amount, currency = read_amount(authorization["amount"])
        status = AUTHORIZATION_STATUSES[authorization["status"]]
        return PaymentSnapshot(
            kind=KIND,
            is_session=True,
            status=status,
            object_id=parent_id(authorization, "orders"),
            intent_id=_text(authorization["id"]),
            amount=amount,
            currency=currency,
            failure=_denied() if status == ProviderStatus.REJECTED else None,
        )
    except READING_ERRORS as error:
        _refuse("an authorisation", error)


def sale_snapshot(sale: Object) -> PaymentSnapshot:
    """Return the snapshot of a sale, as the v1 API's events carry it; its payment is its ``parent_payment``.

    Raises:
        ProviderError: the sale is half-formed.
    """
    try:
        amount, currency = read_amount(sale["amount"])
        status = SALE_STATUSES[str(sale["state"]).lower()]
        return PaymentSnapshot(
            kind=KIND,
            is_session=True,
            status=status,
            object_id=_optional_text(sale.get("parent_payment")),
            intent_id=_text(sale["id"]),
            amount=amount,
            amount_received=amount if status == ProviderStatus.SUCCEEDED else None,
            currency=currency,
            failure=_denied() if status == ProviderStatus.REJECTED else None,
        )
    except READING_ERRORS as error:
        _refuse("a sale", error)


def refund_snapshot(refund: Object, intent_id: str | None = None) -> RefundSnapshot:
    """Return the snapshot of a refund, or of what PayPal itself took back.

    Args:
        intent_id: of the payment, if the caller knows it; otherwise what the refund says.

    Raises:
        ProviderError: the refund is half-formed.
    """
    try:
        amount, currency = read_amount(refund["amount"])
        state = str(refund.get("status") or refund.get("state") or "COMPLETED").upper()
        if intent_id is None:
            parent = parent_id(refund, "captures") or _optional_text(refund.get("sale_id"))
            intent_id = parent_id(refund, "authorizations") or parent
        details = refund.get("status_details")
        marker = custom_id(refund).partition(":")[2]
        return RefundSnapshot(
            refund_id=_text(refund["id"]),
            # A status that is new to us is not a refund's failure.
            status=REFUND_STATUSES.get(state, RefundStatus.PENDING),
            amount=amount,
            currency=currency,
            intent_id=intent_id,
            failure_reason=_optional_text(details.get("reason")).lower() if isinstance(details, Mapping) else "",
            metadata={"operation": marker} if marker else {},
        )
    except READING_ERRORS as error:
        _refuse("a refund", error)


def order_refunds(order: Object, intent_id: str) -> list[RefundSnapshot]:
    """Return the refunds of an order's captures."""
    return [refund_snapshot(refund, intent_id) for refund in payments_of(order, "refunds")]


def refundable_capture(order: Object) -> str:
    """Return the id of the capture that holds the money, empty if there is none."""
    captures = payments_of(order, "captures")
    # One that was refunded wholly is named, too: PayPal says better than we do why it cannot be refunded.
    for statuses in (("COMPLETED", "PARTIALLY_REFUNDED"), ("REFUNDED",)):
        for capture in captures:
            if capture.get("status") in statuses:
                return _optional_text(capture.get("id"))
    return ""


def payments_of(order: Object, name: str) -> list[Object]:
    """Return an order's "authorizations", "captures" or "refunds"."""
    found: list[Object] = []
    for unit in _units(order):
        payments = unit.get("payments")
        listed = payments.get(name) if isinstance(payments, Mapping) else None
        found += [one for one in listed or () if isinstance(one, Mapping)] if isinstance(listed, list) else []
    return found


def with_payment(order: Object, name: str, payment: Object) -> dict[str, Any]:
    """Return the order with one of its payments as it has just been answered: the order may lag behind."""
    if not payment.get("id"):
        return dict(order)
    units = [dict(unit) for unit in _units(order)] or [{}]
    others = [one for one in payments_of(order, name) if one.get("id") != payment["id"]]
    units[0]["payments"] = dict(units[0].get("payments") or {}) | {name: [*others, dict(payment)]}
    return dict(order) | {"purchase_units": units}


def custom_id(obj: Object) -> str:
    """Return what our own calls have left on an object: the payment's token, on a refund with ``:operation``."""
    value = obj.get("custom_id", obj.get("custom"))
    if value is None:
        value = next((unit.get("custom_id") for unit in _units(obj)), None)
    return _optional_text(value)


def parent_id(obj: Object, collection: str) -> str:
    """Return the id of the "orders", "authorizations" or "captures" that an object belongs to, empty if it says none.

    New objects name it in ``supplementary_data``, all of them in the link "up".
    """
    supplementary = obj.get("supplementary_data")
    related = supplementary.get("related_ids") if isinstance(supplementary, Mapping) else None
    named = related.get(f"{collection.removesuffix('s')}_id") if isinstance(related, Mapping) else None
    if isinstance(named, str) and named:
        return named
    for kind, found in _links(obj, "up"):
        if kind == collection:
            return found
    return ""


def approval_url(order: Object) -> str:
    """Return where the buyer approves an order."""
    links = obj if isinstance(obj := order.get("links"), list) else []
    for link in links:
        if isinstance(link, Mapping) and link.get("rel") in APPROVAL_LINKS:
            return _optional_text(link.get("href"))
    return ""


def _order_snapshot(order: Object) -> PaymentSnapshot:
    units = _units(order)
    amount, currency = read_amount(units[0]["amount"])
    captures, authorizations = payments_of(order, "captures"), payments_of(order, "authorizations")
    status, failure, received = _standing(order, captures, authorizations)
    holder = authorizations or captures
    # A later attempt stands behind the earlier ones.
    intent_id = _text(holder[-1]["id"]) if holder else ""
    url = approval_url(order)
    return PaymentSnapshot(
        kind=KIND,
        is_session=True,
        status=status,
        object_id=_text(order["id"]),
        intent_id=intent_id,
        amount=amount,
        amount_received=received,
        currency=currency,
        redirect_url=url,
        failure=failure,
        raw=_record(order, status, url, captures, authorizations),
    )


def _standing(
    order: Object, captures: Sequence[Object], authorizations: Sequence[Object]
) -> tuple[ProviderStatus, Failure | None, Decimal | None]:
    """Return where an order's payment stands, why it failed, and what was taken."""
    by_status = [(CAPTURE_STATUSES[capture["status"]], capture) for capture in captures]
    taken = [read_amount(capture["amount"])[0] for status, capture in by_status if status == ProviderStatus.SUCCEEDED]
    for rank in RANKS:
        fitting = [capture for status, capture in by_status if status == rank]
        if fitting and not (rank == ProviderStatus.REJECTED and authorizations):
            failure = _capture_failure(fitting[-1]) if rank == ProviderStatus.REJECTED else None
            return rank, failure, sum(taken, Decimal(0)) if taken else None
    if authorizations:
        status = AUTHORIZATION_STATUSES[authorizations[-1]["status"]]
        return status, _denied() if status == ProviderStatus.REJECTED else None, None
    return ORDER_STATUSES[order["status"]], None, None


def _record(
    order: Object, status: ProviderStatus, url: str, captures: Sequence[Object], authorizations: Sequence[Object]
) -> dict[str, Any]:
    """Return what is kept: ids and states, no names and addresses; ``status`` in the words that pages are kept with.

    An approved order is open, too: a buyer whose card was declined can go back and choose another.
    """
    is_open = bool(url) and status in (ProviderStatus.OPEN, ProviderStatus.APPROVED)
    kept: dict[str, Any] = {
        "id": order["id"],
        "object": KIND,
        "intent": order.get("intent"),
        "status": "open" if is_open else "expired" if status == ProviderStatus.CANCELED else "complete",
        "order_status": order["status"],
        "captures": [_brief(capture) for capture in captures],
        "authorizations": [_brief(authorization) for authorization in authorizations],
    }
    return kept | ({"url": url} if is_open else {})


def _brief(payment: Object) -> dict[str, Any]:
    return {name: payment[name] for name in ("id", "status", "amount", "expiration_time") if name in payment}


def _capture_failure(capture: Object) -> Failure:
    details, processor = capture.get("status_details"), capture.get("processor_response")
    reason = _optional_text(details.get("reason")) if isinstance(details, Mapping) else ""
    code = _optional_text(processor.get("response_code")) if isinstance(processor, Mapping) else ""
    return Failure(
        code=(reason or "capture_declined").lower(),
        decline_code=code,
        message=DECLINED,
    )


def _denied() -> Failure:
    return Failure("denied", "", DECLINED)


def _units(obj: Object) -> list[Object]:
    units = obj.get("purchase_units")
    return [unit for unit in units if isinstance(unit, Mapping)] if isinstance(units, list) else []


def _links(obj: Object, rel: str) -> Iterator[tuple[str, str]]:
    """Yield collection and id of what an object's links of one kind lead to."""
    links = obj.get("links")
    for link in links if isinstance(links, list) else ():
        if not isinstance(link, Mapping) or link.get("rel") != rel or not isinstance(link.get("href"), str):
            continue
        try:
            match = _LINK.fullmatch(urlsplit(link["href"]).path)
        except ValueError:
            continue
        if match is not None:
            yield match["collection"], match["id"]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("no text")
    return value


def _optional_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _refuse(what: str, error: Exception) -> NoReturn:
    name = type(error).__name__
    raise ProviderError(f"PayPal sent {what} that cannot be read ({name}).", code="malformed_object") from None


def moment(value: Any) -> datetime | None:
    """Return one of PayPal's times, ``None`` if it is none."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
