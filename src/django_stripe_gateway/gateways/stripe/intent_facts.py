"""What a PaymentIntent was made for, asked of Stripe: refunds and disputes name nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django_stripe_gateway.exceptions import GatewayError, ProviderError, ProviderUnavailable
from django_stripe_gateway.gateways.stripe.calls import StripeAccountCalls, ask
from django_stripe_gateway.gateways.stripe.fields import Object, metadata_of, object_id, page_of, part

INVOICE_PREFIX = "in_"


@dataclass(frozen=True, slots=True)
class IntentFacts:
    """What an intent was made for, as far as Stripe says it.

    Args:
        is_known: Stripe knows the intent.
        token: the mark that one of our own calls, or another site's, has left on it.
        invoice_id: of the invoice that it pays.
        customer_id: who pays.
    """

    is_known: bool = True
    token: str = ""
    invoice_id: str = ""
    customer_id: str = ""


def named_invoice(obj: Object) -> str:
    """Return the id of the invoice that an intent or a charge names itself, empty if it names none.

    Until 2025-02-24.acacia it has a field of its own; since then it stands where a seller may also write a reference.
    """
    named, reference = obj.get("invoice"), part(obj.get("payment_details")).get("order_reference")
    named = named.get("id") if isinstance(named, Mapping) else named
    if isinstance(named, str) and named:
        return named
    return reference if isinstance(reference, str) and reference.startswith(INVOICE_PREFIX) else ""


class StripeIntentFacts(StripeAccountCalls):
    """Asks one account about intents, in two calls at most."""

    def of(self, intent_id: str) -> IntentFacts:
        """Return what an intent was made for; where Stripe does not say it, that it is not known."""
        try:
            facts = ask(self.v1.payment_intents.retrieve, _facts, intent_id)
            if facts.token or facts.invoice_id:
                return facts
            return IntentFacts(invoice_id=self._paid_invoice(intent_id), customer_id=facts.customer_id)
        except GatewayError:
            # It is not there, the key may not ask, or Stripe is silent.
            return IntentFacts(is_known=False)

    def _paid_invoice(self, intent_id: str) -> str:
        params = {"payment": {"type": "payment_intent", "payment_intent": intent_id}, "limit": 1}
        try:
            found, _next = ask(self.v1.invoice_payments.list, page_of(_invoice_of), params=params)
        except ProviderUnavailable:
            raise
        except ProviderError:
            # Versions before 2025-03-31.basil do not have the list; there the intent has said it.
            return ""
        return found[0] if found else ""


def _facts(obj: Object) -> IntentFacts:
    return IntentFacts(
        token=metadata_of(obj.get("metadata")).get("token", ""),
        invoice_id=named_invoice(obj),
        customer_id=object_id(obj.get("customer")),
    )


def _invoice_of(obj: Object) -> str:
    return object_id(obj.get("invoice"))
