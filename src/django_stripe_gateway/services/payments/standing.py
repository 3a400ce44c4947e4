"""How a payment stands at its provider with all of its refunds, asked in one go."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from django_stripe_gateway.exceptions import ProviderError, ProviderUnavailable
from django_stripe_gateway.gateways.values import PaymentSnapshot, RefundSnapshot
from django_stripe_gateway.models import AbstractPayment
from django_stripe_gateway.services.accounts import gateway_of
from django_stripe_gateway.services.payments.refresh import payment_ref
from django_stripe_gateway.transitions import PAID

logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Standing:
    """What the provider says.

    Args:
        snapshot: the payment; ``None`` where that is known, or cannot be said.
    """

    snapshot: PaymentSnapshot | None
    refunds: Sequence[RefundSnapshot] = ()


def ask_standing(payment: AbstractPayment, intent_id: str = "") -> Standing:
    """Ask for a payment's refunds, and for the payment where it is not known to be paid.

    Args:
        intent_id: what holds its money, where the row does not know it.

    Raises:
        ProviderUnavailable: nobody has answered.
    """
    gateway = gateway_of(payment)
    ref = dataclasses.replace(payment_ref(payment), intent_id=payment.intent_id or intent_id)
    ref = dataclasses.replace(ref, object_id=ref.object_id or ref.intent_id)
    snapshot = None
    try:
        if payment.status not in PAID:
            snapshot = gateway.retrieve_payment(ref)
        return Standing(snapshot, gateway.list_refunds(ref))
    except ProviderUnavailable:
        raise
    except ProviderError as error:
        logger.warning("How payment %s stands could not be looked up: %s", payment.pk, error.code)
        return Standing(snapshot)
