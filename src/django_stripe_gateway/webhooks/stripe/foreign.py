"""What has no payment here: of an invoice, of other software on the account, or early.

Every call of ours writes the payment's token on the session and its intent, and Stripe copies an intent's metadata to
its charges. So a session, an intent or a charge without a payment here is nobody's who could still appear. A refund or
a dispute may carry nothing but its intent: if no row names that, Stripe is asked what it was made for.
"""

from __future__ import annotations

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.gateways.stripe.accounts import stripe_account
from django_stripe_gateway.gateways.stripe.intent_facts import IntentFacts, StripeIntentFacts, named_invoice
from django_stripe_gateway.models import AbstractPayment, Customer
from django_stripe_gateway.services.subscriptions.identity import find_subscription_row
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.webhooks.answers import answers_of, needs
from django_stripe_gateway.webhooks.events import Event, clean_id
from django_stripe_gateway.webhooks.payments import find_payment
from django_stripe_gateway.webhooks.stripe.billing import speaks_for
from django_stripe_gateway.webhooks.stripe.invoice_intents import intent_of, invoice_of_intent
from django_stripe_gateway.webhooks.stripe.variants import seller_of

# These carry what their payment's call has written.
MARKED = frozenset({"checkout.session", "payment_intent", "charge"})
OF_INVOICE = "about an invoice's payment, and no payment of its own"
OF_OTHERS = "about a payment that this site has not made"
OF_ANOTHER_SITE = "about a payment that carries another site's mark"
NO_INTENT = "about a payment without an intent, which this site makes none of"
NOT_KNOWN_THERE = "its payment is unknown here, and Stripe does not say what it was made for"
INVOICE_AWAITED = "about a payment of an invoice that is not known yet"
NOBODYS = (WebhookState.IGNORED, OF_OTHERS)


def find_by_intent(event: Event) -> AbstractPayment | None:
    """Return the payment, locked, that a refund or a dispute is about as Stripe has said of its intent, if it has."""
    facts: IntentFacts | None = answers_of(event).facts
    if facts is None or not clean_id(facts.token):
        return None
    return find_payment(facts.token, [("intent_id", intent_of(event.object))], account_id=seller_of(event))


def state_without_payment(event: Event) -> WebhookState:
    """Return what becomes of an event for which there is no payment here.

    Raises:
        FetchNeeded: Stripe has to be asked what its intent was made for.
    """
    obj, intent_id, answers = event.object, intent_of(event.object), answers_of(event)
    if answers.invoice is not None:
        return _state_of_awaited(event, answers.invoice.customer_id, answers.invoice.subscription_id)
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
    if answers.facts is None:
        raise needs(event, facts=lambda: StripeIntentFacts(account).of(intent_id))
    return _state_by_facts(event, answers.facts)


def _state_by_facts(event: Event, facts: IntentFacts) -> WebhookState:
    if not facts.is_known:
        return event.because(WebhookState.UNMATCHED, NOT_KNOWN_THERE)
    if facts.token:
        return event.because(WebhookState.IGNORED, OF_ANOTHER_SITE)
    return _state_of_awaited(event, facts.customer_id) if facts.invoice_id else event.because(*NOBODYS)


def _state_of_awaited(event: Event, customer_id: str, subscription_id: str = "") -> WebhookState:
    """Let an event wait for an invoice that is not here yet, if whose it is shows that it is to come."""
    customers = Customer.objects.using(payments_database()).filter(variant__in=speaks_for(event))
    is_known = bool(customer_id) and customers.filter(provider_id=customer_id).exists()
    if is_known or (subscription_id and find_subscription_row(speaks_for(event), subscription_id) is not None):
        return event.because(WebhookState.UNMATCHED, INVOICE_AWAITED)
    return event.because(*NOBODYS)
