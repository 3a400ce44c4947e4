"""What Stripe's two payment flows share: both end in a PaymentIntent, which is captured, cancelled and refunded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from django_stripe_gateway.exceptions import PaymentDeclined, ProviderError, ProviderStateError, ProviderUnavailable
from django_stripe_gateway.gateways.base import Gateway
from django_stripe_gateway.gateways.fee_values import FeesSnapshot
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount
from django_stripe_gateway.gateways.stripe.balance import add_refunds, charge_fees, refund_bookings
from django_stripe_gateway.gateways.stripe.calls import ask
from django_stripe_gateway.gateways.stripe.charges import charge_expansion
from django_stripe_gateway.gateways.stripe.destinations import is_account_id, transfer_params
from django_stripe_gateway.gateways.stripe.further_params import StripeFurtherParams
from django_stripe_gateway.gateways.stripe.payment_objects import dispute_snapshot, payment_snapshot, refund_snapshot
from django_stripe_gateway.gateways.values import (
    DisputeSnapshot,
    PaymentRef,
    PaymentRequest,
    PaymentSnapshot,
    ProviderStatus,
    RefundSnapshot,
)
from django_stripe_gateway.money import to_minor_units

SESSION_PREFIX, INTENT_PREFIX = "cs_", "pi_"


class StripeGateway(StripeFurtherParams, Gateway):
    """Base of the gateways that stand on PaymentIntents."""

    supports_manual_capture = True
    supports_partial_capture = True
    supports_partial_refund = True
    supports_fees = True
    supports_customers = True
    supports_destinations = True
    supports_application_fees = True

    def __init__(self, account: StripeAccount) -> None:
        super().__init__(account)
        if account.is_localstripe:
            # It neither keeps what an intent was paid with, nor charges it later, books everything without a fee, and
            # knows no accounts but one.
            self.supports_customers = self.supports_fees = False
            self.supports_destinations = self.supports_application_fees = False
        if account.connected_id:
            # Customers and their cards are the platform's, and a seller's money stays with them.
            self.supports_customers = self.supports_destinations = False

    def is_account_id(self, text: str) -> bool:
        """Return whether ``text`` is spelt like ``acct_1…``."""
        return is_account_id(text)

    def retrieve_payment(self, ref: PaymentRef) -> PaymentSnapshot:
        """Ask Stripe for the session (with its intent), or for the intent."""
        if is_session(ref):
            params = self.with_charge(before="payment_intent")
            return ask(self.v1.checkout.sessions.retrieve, payment_snapshot, ref.object_id, params=params)
        intent_id, params = ref.intent_id or ref.object_id, self.with_charge()
        return ask(self.v1.payment_intents.retrieve, payment_snapshot, intent_id, params=params)

    def with_charge(self, *, before: str = "", after: str = "") -> dict[str, Any]:
        """Return the parameter that lets an answer say what was paid with; see ``charge_expansion``."""
        account = self.account
        names = charge_expansion(account.api_version, is_localstripe=account.is_localstripe, before=before, after=after)
        return {"expand": names} if names else {}

    def capture_payment(
        self, ref: PaymentRef, amount: Decimal, *, idempotency_key: str, application_fee: Decimal | None = None
    ) -> PaymentSnapshot:
        """Capture ``amount`` of the intent; Stripe releases the rest, and keeps the fee unless another one is named."""
        params = {"amount_to_capture": to_minor_units(amount, ref.currency)} | self.with_charge()
        if application_fee is not None:
            params["application_fee_amount"] = to_minor_units(application_fee, ref.currency)
        return ask(
            self.v1.payment_intents.capture,
            payment_snapshot,
            self._intent_id(ref),
            params=params,
            key=idempotency_key,
            about_state=True,
        )

    def cancel_payment(self, ref: PaymentRef, *, idempotency_key: str) -> PaymentSnapshot:
        """Cancel the intent, which releases what it authorised; expire a session that is still open.

        An open session's intent belongs to the session, and Stripe refuses to cancel it
        (https://docs.stripe.com/api/payment_intents/cancel).
        """
        cancel, object_id = self.v1.payment_intents.cancel, ref.intent_id or ref.object_id
        if is_session(ref):
            session = self.retrieve_payment(ref)
            object_id = session.intent_id
            if session.status == ProviderStatus.OPEN:
                cancel, object_id = self.v1.checkout.sessions.expire, ref.object_id
            elif not object_id:
                raise ProviderStateError("The Checkout Session is closed; there is nothing to cancel.")
        return ask(cancel, payment_snapshot, object_id, key=idempotency_key, about_state=True)

    def refund_payment(
        self,
        ref: PaymentRef,
        amount: Decimal,
        *,
        reason: str,
        metadata: Mapping[str, str],
        idempotency_key: str,
        further: Mapping[str, Any] = MappingProxyType({}),
        reverse_transfer: bool = False,
        refund_application_fee: bool = False,
    ) -> RefundSnapshot:
        """Refund ``amount`` of the intent, with that share of what has gone on, and of the platform's fee, if asked."""
        params: dict[str, Any] = {
            "payment_intent": self._intent_id(ref),
            "amount": to_minor_units(amount, ref.currency),
            "metadata": dict(metadata),
        }
        # localstripe refuses parameters that it does not know.
        if reason and not self.account.is_localstripe:
            params["reason"] = reason
        if reverse_transfer:
            params["reverse_transfer"] = True
        if refund_application_fee:
            params["refund_application_fee"] = True
        params = self._with_further(params, further)
        return ask(self.v1.refunds.create, refund_snapshot, params=params, key=idempotency_key, about_state=True)

    def list_refunds(self, ref: PaymentRef) -> Sequence[RefundSnapshot]:
        """Return the intent's refunds, without localstripe's entries for what a partial capture released."""
        listed = self._items(self.v1.refunds.list, refund_snapshot, payment_intent=self._intent_id(ref))
        return [refund for refund in listed if refund.intent_id]

    def retrieve_fees(self, ref: PaymentRef, *, with_refunds: bool = False) -> FeesSnapshot | None:
        """Ask for the charge with its balance transaction, and for those of its refunds if they are wanted."""
        if not self.supports_fees:
            return super().retrieve_fees(ref, with_refunds=with_refunds)
        before = "" if ref.intent_id or not is_session(ref) else "payment_intent"
        retrieve = self.v1.checkout.sessions.retrieve if before else self.v1.payment_intents.retrieve
        object_id = ref.object_id if before else ref.intent_id or ref.object_id
        params = self.with_charge(before=before, after="balance_transaction")
        fees = ask(retrieve, charge_fees, object_id, params=params)
        if fees is None or not with_refunds:
            return fees
        expand = ["data.balance_transaction", "data.failure_balance_transaction"]
        listed = self._items(self.v1.refunds.list, refund_bookings, payment_intent=self._intent_id(ref), expand=expand)
        return add_refunds(fees, listed)

    def retrieve_dispute(self, dispute_id: str) -> DisputeSnapshot:
        """Ask for a dispute."""
        return ask(self.v1.disputes.retrieve, dispute_snapshot, dispute_id)

    def list_disputes(self, since: datetime | None = None) -> Iterator[DisputeSnapshot]:
        """Yield the account's disputes; localstripe knows none."""
        if self.account.is_localstripe:
            return iter(())
        return self._items(self.v1.disputes.list, dispute_snapshot, **(self._made_since(since) if since else {}))

    def _intent_id(self, ref: PaymentRef) -> str:
        if ref.intent_id:
            return ref.intent_id
        intent_id = self.retrieve_payment(ref).intent_id
        if not intent_id:
            raise ProviderStateError("Stripe has no PaymentIntent for this payment yet.")
        return intent_id

    def charge_payment(self, request: PaymentRequest, *, idempotency_key: str) -> PaymentSnapshot:
        """Create and confirm a PaymentIntent without its customer, in either flow.

        Stripe answers a declined one with an error that names the intent, which says the rest
        (https://docs.stripe.com/payments/save-and-reuse#charge-saved-payment-method).
        """
        params = self._new_intent_params(request) | {"confirm": True, "off_session": True}
        if request.success_url:
            params["return_url"] = request.success_url
        params = self._with_further(params, request.further)
        try:
            return ask(self.v1.payment_intents.create, payment_snapshot, params=params, key=idempotency_key)
        except PaymentDeclined as error:
            if not error.intent_id:
                raise
            intent_id = error.intent_id
        try:
            return self.retrieve_payment(PaymentRef(intent_id, intent_id))
        except ProviderError as error:
            # It was declined; how, the next attempt finds out.
            raise ProviderUnavailable(error.detail, code=error.code, request_id=error.request_id) from error

    def find_charge(self, request: PaymentRequest, *, since: datetime) -> PaymentSnapshot | None:
        """Return the PaymentIntent that an earlier attempt has made."""
        listed = {"customer": request.customer_id, **self._made_since(since)}
        return attempt_of(self._items(self.v1.payment_intents.list, payment_snapshot, **listed), request)

    def _new_intent_params(self, request: PaymentRequest) -> dict[str, Any]:
        params = self._intent_params(request) | {
            "amount": to_minor_units(request.amount, request.currency),
            "currency": request.currency.lower(),
        }
        if request.customer_id:
            params["customer"] = request.customer_id
        if request.payment_method:
            params["payment_method"] = request.payment_method
        return params

    def _intent_params(self, request: PaymentRequest) -> dict[str, Any]:
        params: dict[str, Any] = {"metadata": dict(request.metadata)}
        if request.save_payment_method:
            params["setup_future_usage"] = "off_session"
        if request.manual_capture:
            params["capture_method"] = "manual"
        if request.description and not self.account.is_localstripe:
            params["description"] = request.description[:1000]
        return params | transfer_params(request.terms, request.currency)


def attempt_of(
    snapshots: Iterable[PaymentSnapshot], request: PaymentRequest, *, is_first: bool = False
) -> PaymentSnapshot | None:
    """Return the session or intent that a request has made, if there is one: token and attempt are on both.

    Args:
        snapshots: the newest first, as Stripe lists them.
        is_first: of several the one that was there first, where others can read our marks and copy them.
    """
    found = None
    for snapshot in snapshots:
        metadata = snapshot.raw.get("metadata") or {}
        if all(metadata.get(name) == request.metadata.get(name) for name in ("token", "attempt")):
            found = snapshot
            if not is_first:
                break
    return found


def is_session(ref: PaymentRef) -> bool:
    """Return whether the payment was started as a Checkout Session."""
    return ref.object_id.startswith(SESSION_PREFIX)
