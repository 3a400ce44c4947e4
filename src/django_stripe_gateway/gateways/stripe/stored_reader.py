"""Read what another library has stored of Stripe's objects, as if it were the account's lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, ClassVar

from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.gateways.account_reading import ListedPayment, Page
from django_stripe_gateway.gateways.billing_values import SubscriptionSnapshot
from django_stripe_gateway.gateways.stripe.account_reader import ObjectReader, Objects
from django_stripe_gateway.gateways.stripe.fields import Object, object_id
from django_stripe_gateway.gateways.stripe.payment_objects import refund_snapshot
from django_stripe_gateway.gateways.values import PaymentSnapshot, RefundSnapshot

Load = Callable[[str], Iterator[Sequence[Object]]]


class StoredObjectReader(ObjectReader):
    """Reads objects as they were stored; where one names another by its id, that is put in its place.

    Args:
        load: yields the stored objects of a kind; none of what was not stored.
        livemode: whose objects are read.
    """

    can_ask: ClassVar[bool] = False

    def __init__(self, load: Load, *, livemode: bool) -> None:
        self._load = load
        self._livemode = livemode

    @property
    def livemode(self) -> bool:
        """Whether real money moves."""
        return self._livemode

    def payments(self, since: datetime) -> Iterator[Page[ListedPayment]]:
        """Yield the stored payments; an intent that does not say whether it has paid an invoice is left out.

        Only the provider could say: since 2025-03-31.basil an intent does not name its invoice.
        """
        self._intents = {str(obj["id"]): obj for page in self._load("payment_intent") for obj in page}
        self._charges = {str(obj["id"]): obj for page in self._load("charge") for obj in page}
        yield from super().payments(since)

    def subscription(self, subscription_id: str) -> SubscriptionSnapshot:
        """Raise ``UnsupportedByGateway``: what was not stored nobody knows."""
        raise UnsupportedByGateway(f"Nobody can be asked about {subscription_id}.")

    def refunds(self, payment: PaymentSnapshot) -> Sequence[RefundSnapshot]:
        """Return the stored refunds of a payment."""
        stored = (obj for page in self._load("refund") for obj in page)
        return [refund_snapshot(obj) for obj in stored if object_id(obj.get("payment_intent")) == payment.intent_id]

    def _objects(self, kind: str, since: datetime | None = None) -> Objects:
        for page in self._load(kind):
            objects = [obj for obj in page if not obj.get("deleted") and _is_of(obj, since)]
            if kind == "payment_intent":
                objects = [self._with_charge(obj) for obj in objects if "invoice" in obj]
            elif kind == "checkout.session":
                objects = [self._with_intent(obj) for obj in objects]
            yield objects

    def _with_intent(self, session: Object) -> dict[str, Any]:
        intent = session.get("payment_intent")
        known = self._intents.get(object_id(intent))
        return {**session, "payment_intent": intent if known is None else self._with_charge(known)}

    def _with_charge(self, intent: Object) -> dict[str, Any]:
        charge = intent.get("latest_charge")
        return {**intent, "latest_charge": self._charges.get(object_id(charge), charge)}


def _is_of(obj: Object, since: datetime | None) -> bool:
    created = obj.get("created")
    return since is None or (isinstance(created, int) and created >= int(since.timestamp()))
