"""Whose money a platform's payment becomes, and what the platform keeps of it: checked, kept and given back.

https://docs.stripe.com/connect/destination-charges
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django_stripe_gateway.choices import OperationKind
from django_stripe_gateway.exceptions import InvalidAmount, InvalidInput, UnsupportedByGateway
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import TransferTerms
from django_stripe_gateway.models import AbstractPayment, ConnectedAccount
from django_stripe_gateway.models.fields import ZERO
from django_stripe_gateway.money import quantize_amount, to_minor_units
from django_stripe_gateway.services.accounts import made_in
from django_stripe_gateway.services.snapshots import SnapshotMismatch, verify_lengths
from django_stripe_gateway.services.transactions import payments_database

#: The columns that hold them.
TERMS = ("destination_id", "on_behalf_of_id", "application_fee")
#: Where an operation keeps what its call says.
KEPT_AS = "terms"


def take_terms(
    payment: AbstractPayment,
    *,
    destination: ConnectedAccount | str,
    on_behalf_of: ConnectedAccount | str,
    application_fee: Decimal | None,
) -> None:
    """Set the columns of a new payment to what a host asks for, and check them.

    Raises:
        InvalidInput: an account cannot be paid for, or the terms are none; see ``verify_terms``.
        UnsupportedByGateway: the gateway passes no payments on.
    """
    if destination:
        payment.destination_id = _account_id(payment, destination, "destination")
    if on_behalf_of:
        payment.on_behalf_of_id = _account_id(payment, on_behalf_of, "on_behalf_of")
    if application_fee is not None:
        payment.application_fee = exact_fee(application_fee, payment.currency)
    verify_terms(payment)


def verify_terms(payment: AbstractPayment) -> None:
    """Check the terms of a payment that is about to be started.

    Raises:
        InvalidInput: no account is spelt so, two accounts differ that must not, or the fee cannot be taken.
        UnsupportedByGateway: the gateway passes no payments on.
    """
    terms = payment_terms(payment)
    if terms == TransferTerms():
        return
    gateway = get_gateway(payment.variant)
    if (terms.destination or terms.on_behalf_of) and not gateway.supports_destinations:
        if payment.seller_account:
            raise UnsupportedByGateway("What is paid on a seller's own account is not passed on to another one.")
        raise UnsupportedByGateway("This gateway cannot pass payments on to connected accounts.")
    if not gateway.supports_application_fees:
        raise UnsupportedByGateway("This gateway takes no application fees.")
    for field, account_id in (("destination", terms.destination), ("on_behalf_of", terms.on_behalf_of)):
        if account_id and not gateway.is_account_id(account_id):
            raise InvalidInput("This is not the id of a connected account.", code="unknown_account", field=field)
    if terms.destination and terms.on_behalf_of not in ("", terms.destination):
        # Stripe refuses it for cards, which hardly a payment goes without.
        raise InvalidInput("on_behalf_of must be the destination, or be left out.", field="on_behalf_of")
    verify_fee(payment, terms, payment.total)


def verify_fee(payment: AbstractPayment, terms: TransferTerms, amount: Decimal) -> None:
    """Check the fee of what is taken.

    Raises:
        InvalidInput: negative, too fine, more than ``amount``, or taken of nobody.
    """
    if terms.application_fee is None:
        return
    if not (terms.destination or payment.seller_account):
        # All the money is the platform's anyway.
        raise InvalidInput(
            "An application fee is taken of a destination, or on a seller's account: name one.", field="application_fee"
        )
    fee = exact_fee(terms.application_fee, payment.currency)
    if fee > amount:
        taken = quantize_amount(amount, payment.currency)
        raise InvalidAmount(
            f"The application fee of {fee} is more than the {taken} that it is taken of.",
            code="fee_too_large",
            field="application_fee",
        )


def exact_fee(fee: Decimal, currency: str) -> Decimal:
    """Return a fee with the currency's decimals.

    Raises:
        InvalidAmount: no number, negative, or too fine.
    """
    try:
        to_minor_units(fee, currency)
        return quantize_amount(fee, currency)
    except InvalidAmount as error:
        raise InvalidAmount(f"application_fee: {error.detail}", field="application_fee") from None


def payment_terms(payment: AbstractPayment) -> TransferTerms:
    """Return the terms of a payment."""
    return TransferTerms(payment.destination_id, payment.on_behalf_of_id, payment.application_fee)


def kept_terms(payment: AbstractPayment) -> dict[str, Any]:
    """Return the terms as an operation keeps them among its parameters; nothing where there are none."""
    terms = payment_terms(payment)
    fee = {} if terms.application_fee is None else {"application_fee": str(terms.application_fee)}
    accounts = {"destination": terms.destination, "on_behalf_of": terms.on_behalf_of}
    kept = {name: value for name, value in (accounts | fee).items() if value}
    return {KEPT_AS: kept} if kept else {}


def operation_terms(params: dict[str, Any]) -> TransferTerms:
    """Return the terms that an operation has kept."""
    kept = params.get(KEPT_AS, {})
    fee = kept.get("application_fee")
    return TransferTerms(
        kept.get("destination", ""), kept.get("on_behalf_of", ""), None if fee is None else Decimal(fee)
    )


def are_unchanged(payment: AbstractPayment) -> bool:
    """Return whether what the payment can be paid on now was made on the terms that it has now."""
    made = payment.operations.using(payments_database()).filter(kind=OperationKind.CREATE)
    params = made.filter(object_id=payment.transaction_id).order_by("-pk").values_list("params", flat=True).first()
    return params is None or _same(operation_terms(params), payment_terms(payment))


def verify_sellers_fee(payment: AbstractPayment, said: TransferTerms | None) -> None:
    """Compare the fee with which money was taken on a seller's own account with what was agreed on.

    A seller may make an intent there that bears the payment's mark, and pay it without the platform's part.

    Args:
        said: by the provider; ``None`` of a page, which is known by its id and has what it was made with.

    Raises:
        SnapshotMismatch: it is neither the payment's fee, nor the one that its page was made with, nor one that a
            capture has asked for.
    """
    if not payment.seller_account or said is None:
        return
    operations = payment.operations.using(payments_database())
    captures = operations.filter(kind=OperationKind.CAPTURE).values_list("params", flat=True)
    made = operations.filter(kind=OperationKind.CREATE, object_id=payment.transaction_id).exclude(object_id="")
    agreed = {payment.application_fee or ZERO}
    agreed |= {operation_terms(params).application_fee or ZERO for params in made.values_list("params", flat=True)}
    agreed |= {Decimal(params["application_fee"]) for params in captures if params.get("application_fee") is not None}
    if (said.application_fee or ZERO) not in agreed:
        raise SnapshotMismatch("application fee differs")


def mirror_terms(payment: AbstractPayment, said: TransferTerms) -> None:
    """Set the columns of a locked payment to what its provider says; save them yourself.

    Raises:
        SnapshotMismatch: an id is longer than any.
    """
    if _same(said, payment_terms(payment)):
        return
    payment.destination_id, payment.on_behalf_of_id = said.destination, said.on_behalf_of
    verify_lengths(payment, payment, ("destination_id", "on_behalf_of_id"))
    payment.application_fee = said.application_fee


def given_back(
    terms: TransferTerms, *, reverse_transfer: bool | None = None, refund_application_fee: bool | None = None
) -> dict[str, bool]:
    """Return what a refund takes back of a payment's destination, and gives back of the platform's fee.

    Args:
        reverse_transfer, refund_application_fee: ``None`` for whatever there is; a fee that is given back to a
            destination goes with what is taken back of it
            (https://docs.stripe.com/connect/destination-charges#issue-refunds).

    Raises:
        InvalidInput: there is no such thing to take or give back, or only the fee would be.
    """
    has_fee = bool(terms.application_fee)
    if reverse_transfer and not terms.destination:
        raise InvalidInput("This payment has gone on to no other account.", field="reverse_transfer")
    if refund_application_fee and not has_fee:
        raise InvalidInput("No application fee was taken of this payment.", field="refund_application_fee")
    reverses = bool(terms.destination) and reverse_transfer is not False
    if refund_application_fee and terms.destination and not reverses:
        raise InvalidInput(
            "The application fee is given back only along with reverse_transfer.", field="refund_application_fee"
        )
    refunds_fee = has_fee and refund_application_fee is not False and (reverses or not terms.destination)
    asked = {"reverse_transfer": reverses, "refund_application_fee": refunds_fee}
    return {name: True for name, is_asked in asked.items() if is_asked}


def _same(one: TransferTerms, other: TransferTerms) -> bool:
    """Return whether two terms come to the same; no fee is a fee of nothing."""
    accounts = (one.destination, one.on_behalf_of) == (other.destination, other.on_behalf_of)
    return accounts and (one.application_fee or ZERO) == (other.application_fee or ZERO)


def _account_id(payment: AbstractPayment, account: Any, field: str) -> str:
    """Return the provider's id of an account that is named by its row or its id.

    Raises:
        InvalidInput: the row is of another platform, or takes no payments.
    """
    if isinstance(account, str):
        return account
    if not isinstance(account, ConnectedAccount):
        raise InvalidInput("Name a ConnectedAccount, or the provider's id of one.", field=field)
    made = made_in(payment.variant)
    known = (account.account_id, made.get("account_id", ""))
    is_ours = known[0] == known[1] if all(known) else account.variant == payment.variant
    if not is_ours or account.livemode != made.get("livemode", account.livemode):
        raise InvalidInput("This account is connected to another platform.", code="other_platform", field=field)
    if not account.is_payable:
        raise InvalidInput(
            "Payments cannot be taken for this account: its onboarding is not done, or it has left the platform.",
            code="account_not_payable",
            field=field,
        )
    return account.provider_id or ""
