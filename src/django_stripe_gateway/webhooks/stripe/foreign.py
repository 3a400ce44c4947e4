"""What has no payment here: of an invoice, of other software on the account, or early.

Every call of ours writes the payment's token on the session and its intent, and Stripe copies an intent's metadata to
its charges. So a session, an intent or a charge without a payment here is nobody's who could still appear. A refund or
a dispute may carry nothing but its intent: if no row names that, Stripe is asked what it was made for.
"""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.gateways.stripe.intent_facts import IntentFacts, StripeIntentFacts, named_invoice
from django_stripe_gateway.models import AbstractPayment, Customer, Invoice
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.payments import find_payment
from django_stripe_gateway.webhooks.registry import FetchNeeded
from django_stripe_gateway.webhooks.stripe.billing import speaks_for
from django_stripe_gateway.webhooks.stripe.invoice_intents import intent_of, invoice_of_intent

# These carry what their payment's call has written.
MARKED = frozenset({"checkout.session", "payment_intent", "charge"})
OF_INVOICE = "about an invoice's payment, and no payment of its own"
OF_OTHERS = "about a payment that this site has not made"
OF_ANOTHER_SITE = "about a payment that carries another site's mark"
NO_INTENT = "about a payment without an intent, which this site makes none of"
NOT_KNOWN_THERE = "its payment is unknown here, and Stripe does not say what it was made for"
INVOICE_AWAITED = "about a payment of an invoice that is not known yet"


def find_by_intent(event: Event) -> AbstractPayment | None:
    """Return the payment, locked, that a refund or a dispute is about as Stripe has said of its intent, if it has."""
    facts = event.fetched
    if not isinstance(facts, IntentFacts) or not clean_id(facts.token):
        return None
    return find_payment(facts.token, [("intent_id", intent_of(event.object))])


def state_without_payment(event: Event) -> WebhookState:
    """Return what becomes of an event for which there is no payment here.

    Raises:
        FetchNeeded: Stripe has to be asked what its intent was made for.
    """
    obj, intent_id = event.object, intent_of(event.object)
    if invoice_of_intent(event) is not None or named_invoice(obj):
        return event.because(WebhookState.IGNORED, OF_INVOICE)
    if obj.get("object") in MARKED:
        metadata = obj.get("metadata")
        is_marked = isinstance(metadata, dict) and bool(metadata.get("token"))
        return event.because(WebhookState.IGNORED, OF_ANOTHER_SITE if is_marked else OF_OTHERS)
    if not intent_id:
        return event.because(WebhookState.IGNORED, NO_INTENT)
    account = stripe_account(event.variant)
    if account.is_localstripe:
        return event.because(WebhookState.UNMATCHED, NOT_KNOWN_THERE)
    if not isinstance(event.fetched, IntentFacts):
        raise FetchNeeded(lambda: StripeIntentFacts(account).of(intent_id))
    return _state_by_facts(event, event.fetched, intent_id)


def _state_by_facts(event: Event, facts: IntentFacts, intent_id: str) -> WebhookState:
    if not facts.is_known:
        return event.because(WebhookState.UNMATCHED, NOT_KNOWN_THERE)
    if facts.token:
        return event.because(WebhookState.IGNORED, OF_ANOTHER_SITE)
    if not facts.invoice_id:
        return event.because(WebhookState.IGNORED, OF_OTHERS)
    invoices = Invoice.objects.using(payments_database()).filter(variant__in=speaks_for(event))
    if invoices.filter(provider_id=facts.invoice_id).exists():
        # Whoever handles refunds and disputes of invoices finds it by that.
        invoices.filter(provider_id=facts.invoice_id, intent_id="").update(intent_id=intent_id)
        handle_arrivals(intent_id)
        return event.because(WebhookState.IGNORED, OF_INVOICE)
    customers = Customer.objects.using(payments_database()).filter(variant__in=speaks_for(event))
    if facts.customer_id and customers.filter(provider_id=facts.customer_id).exists():
        return event.because(WebhookState.UNMATCHED, INVOICE_AWAITED)
    return event.because(WebhookState.IGNORED, OF_OTHERS)
