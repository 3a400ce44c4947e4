"""PayPal's objects as this app's frozen values: orders, captures, authorisations, refunds, and sales of the v1 API.

The only place that knows where a field lives. A payment's ``object_id`` is its order's id. Its ``intent_id`` is the
authorisation's, or where there is none the capture's: of all ids of a payment only that one stays the same from the
moment that it is known, whatever is captured, and in whichever order events arrive.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ParamSpec, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone

from django_stripe_gateway.choices import RefundStatus
from django_stripe_gateway.exceptions import ProviderError
from django_stripe_gateway.gateways.paypal.money import read_amount
from django_stripe_gateway.gateways.values import Failure, PaidWith, PaymentSnapshot, ProviderStatus, RefundSnapshot

Object = Mapping[str, Any]
P = ParamSpec("P")
Snapshot = TypeVar("Snapshot")

KIND = "paypal.order"
APPROVAL_LINKS = ("payer-action", "approve")
DECLINED = "PayPal or the buyer's bank declined the payment."
DENIED = Failure("denied", message=DECLINED)

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
# The buyer's means of payment is the payment's once it holds money.
HOLDING = (ProviderStatus.AUTHORIZED, ProviderStatus.SUCCEEDED)
# A capture by another one of these is the payment's; the first that fits says where the payment stands.
RANKS = (ProviderStatus.SUCCEEDED, ProviderStatus.PROCESSING, ProviderStatus.REJECTED)

READING_ERRORS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)
_LINK = re.compile(r"/v[12]/[a-z]+/(?P<collection>[a-z]+)/(?P<id>[\w-]{1,64})", re.ASCII)


def _reads(what: str) -> Callable[[Callable[P, Snapshot]], Callable[P, Snapshot]]:
    """Let a function that reads one of PayPal's objects raise ``ProviderError`` where that is half-formed."""

    def decorate(read: Callable[P, Snapshot]) -> Callable[P, Snapshot]:
        @functools.wraps(read)
        def read_or_refuse(*args: P.args, **kwargs: P.kwargs) -> Snapshot:
            try:
                return read(*args, **kwargs)
            except READING_ERRORS as error:
                name = type(error).__name__
            raise ProviderError(f"PayPal sent {what} that cannot be read ({name}).", code="malformed_object")

        return read_or_refuse

    return decorate


@_reads("an order")
def order_snapshot(order: Object) -> PaymentSnapshot:
    """Return the snapshot of an order with all that was done on it.

    Raises:
        ProviderError: the order is half-formed, here as in the other readers.
    """
    amount, currency = read_amount(_units(order)[0]["amount"])
    captures, authorizations = payments_of(order, "captures"), payments_of(order, "authorizations")
    status, failure, received = _standing(order, captures, authorizations)
    holder = authorizations or captures
    url = approval_url(order)
    return PaymentSnapshot(
        kind=KIND,
        is_session=True,
        status=status,
        object_id=_text(order["id"]),
        # A later attempt stands behind the earlier ones.
        intent_id=_text(holder[-1]["id"]) if holder else "",
        amount=amount,
        amount_received=received,
        currency=currency,
        redirect_url=url,
        failure=failure,
        charged=_charged(captures),
        paid_with=_paid_with(order) if status in HOLDING else None,
        raw=_record(order, status, url, captures, authorizations),
    )


@_reads("a capture")
def capture_snapshot(capture: Object) -> PaymentSnapshot:
    """Return the snapshot of a capture alone, as events carry it.

    An authorisation's capture does not say what was asked for: its ``amount`` is ``None``.
    """
    status = CAPTURE_STATUSES[capture["status"]]
    snapshot = _part_snapshot(capture, status, parent_id(capture, "orders"), _capture_failure(capture))
    authorization = parent_id(capture, "authorizations")
    return replace(snapshot, intent_id=authorization, amount=None) if authorization else snapshot


@_reads("an authorisation")
def authorization_snapshot(authorization: Object) -> PaymentSnapshot:
    """Return the snapshot of an authorisation alone, as events carry it."""
    status = AUTHORIZATION_STATUSES[authorization["status"]]
    return _part_snapshot(authorization, status, parent_id(authorization, "orders"), DENIED)


@_reads("a sale")
def sale_snapshot(sale: Object) -> PaymentSnapshot:
    """Return the snapshot of a sale, as the v1 API's events carry it; its payment is its ``parent_payment``."""
    status = SALE_STATUSES[str(sale["state"]).lower()]
    return _part_snapshot(sale, status, _optional_text(sale.get("parent_payment")), DENIED)


def _part_snapshot(part: Object, status: ProviderStatus, order_id: str, failure: Failure) -> PaymentSnapshot:
    amount, currency = read_amount(part["amount"])
    return PaymentSnapshot(
        kind=KIND,
        is_session=True,
        status=status,
        object_id=order_id,
        intent_id=_text(part["id"]),
        amount=amount,
        amount_received=amount if status == ProviderStatus.SUCCEEDED else None,
        currency=currency,
        failure=failure if status == ProviderStatus.REJECTED else None,
    )


@_reads("a refund")
def refund_snapshot(refund: Object, intent_id: str | None = None) -> RefundSnapshot:
    """Return the snapshot of a refund, or of what PayPal itself took back.

    Args:
        intent_id: of the payment, if the caller knows it; otherwise what the refund says.
    """
    amount, currency = read_amount(refund["amount"])
    state = str(refund.get("status") or refund.get("state") or "COMPLETED").upper()
    if intent_id is None:
        parent = parent_id(refund, "captures") or _optional_text(refund.get("sale_id"))
        intent_id = parent_id(refund, "authorizations") or parent
    marker = custom_id(refund).partition(":")[2]
    return RefundSnapshot(
        refund_id=_text(refund["id"]),
        # A status that is new to us is not a refund's failure.
        status=REFUND_STATUSES.get(state, RefundStatus.PENDING),
        amount=amount,
        currency=currency,
        intent_id=intent_id,
        failure_reason=_optional_text(_part(refund, "status_details").get("reason")).lower(),
        metadata={"operation": marker} if marker else {},
        created=_stored_moment(refund.get("create_time")),
    )


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
    return [one for unit in _units(order) for one in _parts(_part(unit, "payments"), name)]


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
    named = _part(_part(obj, "supplementary_data"), "related_ids").get(f"{collection.removesuffix('s')}_id")
    if isinstance(named, str) and named:
        return named
    for link in _links(obj, "up"):
        with contextlib.suppress(ValueError):
            match = _LINK.fullmatch(urlsplit(link).path)
            if match is not None and match["collection"] == collection:
                return match["id"]
    return ""


def approval_url(order: Object) -> str:
    """Return where the buyer approves an order."""
    return next(_links(order, *APPROVAL_LINKS), "")


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
        return status, DENIED if status == ProviderStatus.REJECTED else None, None
    return ORDER_STATUSES[order["status"]], None, None


def _charged(captures: Sequence[Object]) -> datetime | None:
    """Return when the last capture that took money was over, at the latest."""
    taken = [capture for capture in captures if CAPTURE_STATUSES[capture["status"]] == ProviderStatus.SUCCEEDED]
    times = [_stored_moment(capture.get("update_time") or capture.get("create_time")) for capture in taken]
    return max(filter(None, times), default=None)


def _paid_with(order: Object) -> PaidWith | None:
    """Return what the buyer paid with; PayPal has no receipt that a seller could link to."""
    sources = _part(order, "payment_source")
    kind = next((name for name in sources if isinstance(name, str)), "")
    card = _part(sources, "card")
    digits = _optional_text(card.get("last_digits"))
    return (
        PaidWith(
            method_type=kind[:64],
            card_brand=_optional_text(card.get("brand")).lower()[:32],
            card_last4=digits if len(digits) == 4 and digits.isascii() and digits.isdigit() else "",
        )
        if kind
        else None
    )


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
    reason = _optional_text(_part(capture, "status_details").get("reason"))
    code = _optional_text(_part(capture, "processor_response").get("response_code"))
    return Failure(code=(reason or "capture_declined").lower(), decline_code=code, message=DECLINED)


def _part(obj: Object, name: str) -> Object:
    """Return an object inside of another, empty if there is none."""
    found = obj.get(name)
    return found if isinstance(found, Mapping) else {}


def _parts(obj: Object, name: str) -> list[Object]:
    """Return the objects in a list inside of another object."""
    found = obj.get(name)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _units(obj: Object) -> list[Object]:
    return _parts(obj, "purchase_units")


def _links(obj: Object, *rels: str) -> Iterator[str]:
    """Yield where an object's links of some kinds lead to."""
    for link in _parts(obj, "links"):
        if link.get("rel") in rels and isinstance(link.get("href"), str):
            yield link["href"]


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("no text")
    return value


def _optional_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def moment(value: Any) -> datetime | None:
    """Return one of PayPal's times, ``None`` if it is none."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _stored_moment(value: Any) -> datetime | None:
    """Return one of PayPal's times as this site's databases hold times."""
    found = moment(value)
    if found is None or settings.USE_TZ:
        return found
    return timezone.make_naive(found, timezone.get_default_timezone())
