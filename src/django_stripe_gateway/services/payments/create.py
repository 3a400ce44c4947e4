"""Create a payment and start it at its gateway; start one anew whose page has closed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from decimal import Decimal
from typing import Any

from django.db import IntegrityError

from django_stripe_gateway import signals
from django_stripe_gateway.choices import CaptureMethod, LogEvent, OperationKind, PaymentStatus
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import (
    InvalidInput,
    ProviderError,
    UnknownGateway,
    WrongState,
)
from django_stripe_gateway.gateways.registry import get_gateway
from django_stripe_gateway.gateways.values import PaymentRef, PaymentSnapshot
from django_stripe_gateway.models import (
    AbstractPayment,
    ConnectedAccount,
    Customer,
    PaymentGatewayConfig,
    PaymentOperation,
    get_payment_model,
)
from django_stripe_gateway.models.storable import refuse_unstorable
from django_stripe_gateway.money import format_amount
from django_stripe_gateway.services.accounts import columns_of, gateway_of, made_in, verify_seller
from django_stripe_gateway.services.amounts import validate_amount
from django_stripe_gateway.services.audit import send_on_commit, write_log
from django_stripe_gateway.services.connect.direct import variant_for
from django_stripe_gateway.services.operations.engine import carry_on, perform, run, scoped_request_key, store
from django_stripe_gateway.services.operations.page_times import closing_time, make_page
from django_stripe_gateway.services.operations.verbs import Claim, Request, Verb, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.payments.breakdown import KEPT_AS, kept_amounts, take_back_amounts
from django_stripe_gateway.services.payments.confirm import confirm_at_once
from django_stripe_gateway.services.payments.customers import (
    billed_owner,
    customer_owner_of,
    customer_to_pay,
    offers_to_save,
)
from django_stripe_gateway.services.payments.earlier_pages import (
    fits,
    is_fresh,
    is_open,
    is_unchanged,
    replaced_ids,
    settle_earlier,
)
from django_stripe_gateway.services.payments.line import (
    BeginningVerb,
    PaymentClaim,
    ask_host_to_start,
    payment_request,
)
from django_stripe_gateway.services.payments.line_items import line_items
from django_stripe_gateway.services.payments.refresh import ask_about, sync_payment, write_snapshot
from django_stripe_gateway.services.payments.terms import kept_terms, take_terms, verify_terms
from django_stripe_gateway.services.payments.unexpected import verify_decided
from django_stripe_gateway.services.subscriptions.customers import ensure_customer, note_unheard_deletion
from django_stripe_gateway.services.transactions import money_transaction, payments_database, retry_on_deadlock
from django_stripe_gateway.transitions import REOPENABLE

# What a new attempt at a payment repeats of the one before.
KEPT = ("customer_id", "save_payment_method", "offer_to_save")


class CreateVerb(BeginningVerb):
    """Make the provider's object; for a failed payment, a new one in place of the old."""

    kind = OperationKind.CREATE

    def check(self, claim: PaymentClaim) -> None:
        """Let only what can be paid be started; let go of a closed attempt, and keep what the customer will be shown.

        Nobody is asked if another request has started the payment meanwhile.
        """
        payment, gateway, asked = claim.subject, claim.gateway, claim.params
        kept = {name: asked[name] for name in KEPT if asked.get(name)} | kept_terms(payment)
        if is_open(payment) and payment.transaction_id != asked.get("replaces"):
            claim.is_answered = True
            return
        if not (payment.is_payable or payment.status in REOPENABLE):
            raise WrongState(f"A payment that is {payment.status} cannot be started again.")
        made = {"livemode": gateway.livemode, "account_id": payment.account_id} | columns_of(payment.variant)
        is_elsewhere = any(getattr(payment, name) != value for name, value in made.items())
        if asked.get("anew"):
            verify_decided(payment)
        replaced = [] if is_elsewhere else replaced_ids(payment, is_anew=bool(asked.get("anew")))
        earlier = {"earlier": replaced} if replaced else {}
        if payment.transaction_id or payment.intent_id or is_elsewhere:
            taken_back = take_back_amounts(payment)
            # The ids of a closed attempt would make the events of the new one look foreign.
            payment.transaction_id = payment.intent_id = ""
            payment.livemode, payment.account_id = made["livemode"], made["account_id"]
            changed = ["transaction_id", "intent_id", "livemode", "account_id", *taken_back]
            payment.save(update_fields=[*changed, "modified"])
        if payment.provider_customer_id != asked.get("customer_id", ""):
            payment.provider_customer_id = asked.get("customer_id", "")
            payment.save(update_fields=["provider_customer_id", "modified"])
        if gateway.supports_redirect:
            payment.base_url = asked.get("base_url") or payment.base_url
            claim.operation.params = _page_params(payment) | kept | earlier
            if gateway.lets_amount_differ(claim.added.params):
                claim.operation.params[KEPT_AS] = kept_amounts(payment)
            return
        method = asked.get("payment_method") or (
            gateway_settings.test_payment_method if gateway.confirms_at_once else ""
        )
        claim.operation.params = ({"payment_method": method} if method else {}) | kept | earlier

    def verify_account(self, subject: AbstractPayment) -> None:
        """Let what nobody has been asked for be started in any account; a seller's has to be there."""
        verify_seller(subject.variant)
        if subject.transaction_id:
            super().verify_account(subject)

    def call(self, claim: PaymentClaim) -> PaymentSnapshot:
        """Start the payment; nothing is charged yet."""
        payment, earlier = claim.subject, claim.params.get("earlier")
        if earlier:
            # Two pages could both be paid.
            ref = PaymentRef(earlier[0], earlier[1], payment.currency)
            paid = settle_earlier(claim.gateway, payment, ref, claim.key)
            if paid is not None:
                return paid

        def make() -> PaymentSnapshot:
            request = payment_request(payment, claim.operation)
            snapshot: PaymentSnapshot = claim.gateway.create_payment(request, idempotency_key=claim.key)
            return snapshot

        return make_page(claim, make)

    def find_earlier(self, claim: PaymentClaim) -> PaymentSnapshot | None:
        """Return the object that carries the operation's mark."""
        request = payment_request(claim.subject, claim.operation)
        snapshot: PaymentSnapshot | None = claim.gateway.find_payment(request, since=claim.operation.created)
        return snapshot

    def supersede(self, claim: PaymentClaim) -> None:
        """Make the object after all: it takes no money, and only its id lets it be closed."""
        carry_on(claim)


CREATE = register(CreateVerb())


def create_payment(
    *,
    owner: Any,
    gateway: str,
    amount: Decimal,
    currency: str,
    description: str = "",
    order_id: str = "",
    metadata: Mapping[str, Any] | None = None,
    capture_method: str | None = None,
    payment_method: str = "",
    save_payment_method: bool = False,
    destination: ConnectedAccount | str = "",
    on_behalf_of: ConnectedAccount | str = "",
    application_fee: Decimal | None = None,
    customer_owner: Any = None,
    account: ConnectedAccount | None = None,
    confirm: bool = True,
    base_url: str = "",
    idempotency_key: str | None = None,
    origin: Origin = SYSTEM,
    **fields: Any,
) -> AbstractPayment:
    """Store a payment and start it at its gateway.

    Args:
        owner: the user who pays, or ``None``.
        gateway: name of an active ``PaymentGatewayConfig``, or its variant.
        amount: in the currency's units, e.g. ``Decimal("10.00")``.
        currency: ISO code, any case.
        description: what the customer reads on the provider's page.
        order_id: the host's own number, by which ``Payment.objects.for_order()`` finds the payment again.
        metadata: kept with the payment as JSON; not sent to the provider.
        capture_method: "automatic" or "manual"; by default as the variant is configured.
        payment_method: the provider's id of a payment method (intent flow only): a new one, or one that the owner
            has saved.
        save_payment_method: keep what is paid with on the owner's customer, for ``charge`` and for what they buy next.
            It is the customer's to say.
        destination: the connected account that the money goes on to: its row, or the provider's id of it.
        on_behalf_of: the one that is shown as the merchant; beside a destination it is that one.
        application_fee: what your platform keeps, in the payment's currency.
        customer_owner: who is billed, where that is not the user (``STRIPE_GATEWAY_OWNER_MODEL``).
        account: the seller on whose own account the payment is taken (a direct charge), connected to the gateway's;
            nothing is saved there for later. Never let a client choose it.
        confirm: ``False`` leaves a payment that would be confirmed at once (localstripe) to ``confirm_payment``.
        base_url: scheme and host for the return URLs when ``PAYMENT_HOST`` is not set.
        idempotency_key: the same key of the same owner and account brings the same payment again; of another, 409.
        fields: further fields of the host's own payment model.

    Returns:
        The payment. ``gateway_url`` is where the customer pays (Checkout), ``client_secret`` what the customer's
        browser needs (PaymentIntent).

    Raises:
        InvalidInput: amount, currency, gateway, payment method, account or fee cannot be accepted.
        UnsupportedByGateway: the gateway saves nothing that is paid with, passes nothing on, or takes nothing on
            sellers' accounts.
        WrongState: the seller's account cannot be paid (any more).
        PaymentDeclined: the test payment method was declined; the payment can still be paid.
        ProviderError: the provider refused or failed; with an unknown outcome a repeat under the same
            ``idempotency_key`` carries on.
    """
    key = scoped_request_key(idempotency_key, "create", getattr(owner, "pk", ""))
    config = PaymentGatewayConfig.objects.active().named(gateway).first()
    if config is None:
        raise UnknownGateway("No active gateway has this name. GET gateways/ lists them.", field="gateway")
    # Of an earlier request under the caller's key, unless it has failed.
    known = CREATE.operations().filter(request_key=key) if key else PaymentOperation.objects.none()
    variant = variant_for(config.variant, account, known[0].payment if known else None)
    payment = get_payment_model()(
        owner=owner,
        gateway=config.name,
        variant=variant,
        total=validate_amount(amount, currency),
        currency=currency.upper(),
        description=description,
        order_id=order_id,
        metadata=dict(metadata or {}),
        capture_method="" if capture_method is None else verified_capture_method(variant, capture_method),
        **fields,
    )
    refuse_unstorable(payment, ("order_id", "metadata"), payments_database())
    payment.base_url = base_url
    request = Request(params={"payment_method": payment_method}, key=key)
    customer = None
    if not known:
        take_terms(payment, destination=destination, on_behalf_of=on_behalf_of, application_fee=application_fee)
        billed = customer_owner or billed_owner(owner)
        request = replace(request, further=ask_host_to_start(payment))
        customer, request = _with_customer(payment, request, billed, save_payment_method, origin)
        try:
            claim = store_payment(CREATE, payment, request, origin)
        except IntegrityError:
            # Two requests with one key: the other one was first.
            known = known.all()
            if not known:
                raise
    if not known:
        payment = _perform(claim, request, customer, base_url)
    else:
        claim = run(CREATE, known[0].payment_id, request, origin)
        payment = claim.subject
        if payment.status == PaymentStatus.WAITING and not payment.client_secret and not payment.gateway_url:
            # The answer that held the secret was never given; it is not stored, so Stripe is asked again.
            payment = sync_payment(payment=payment, origin=origin)
    is_due = confirm and payment.status == PaymentStatus.WAITING and claim.gateway.confirms_at_once
    return confirm_at_once(payment, origin) if is_due else payment


def _with_customer(
    payment: AbstractPayment, request: Request, owner: Any, save_payment_method: bool, origin: Origin
) -> tuple[Customer | None, Request]:
    """Return whose payment it is at the provider, and the request that says so."""
    customer = customer_to_pay(
        variant=payment.variant,
        owner=owner,
        payment_method=request.params["payment_method"],
        save_payment_method=save_payment_method,
        origin=origin,
    )
    if customer is None:
        return None, request
    payment.provider_customer_id = customer.provider_id or ""
    offers = offers_to_save(get_gateway(payment.variant))
    added = {
        "customer_id": payment.provider_customer_id,
        "save_payment_method": save_payment_method,
        "offer_to_save": offers,
    }
    return customer, replace(request, params={**request.params, **added})


def _perform(claim: PaymentClaim, request: Request, customer: Customer | None, base_url: str) -> AbstractPayment:
    """Start a payment; for a customer that the provider has deleted unheard, once more for the one made anew."""
    try:
        started: AbstractPayment = perform(claim).subject
    except ProviderError as error:
        if customer is None or customer.owner is None or not note_unheard_deletion(customer, error):
            raise
        anew = ensure_customer(owner=customer.owner, variant=customer.variant, origin=claim.origin)
        params = {**request.params, "customer_id": anew.provider_id, "base_url": base_url}
        started = run(CREATE, claim.subject.pk, replace(request, params=params), claim.origin).subject
    return started


def start_payment(
    *,
    payment: AbstractPayment,
    base_url: str = "",
    save_payment_method: bool = False,
    customer_owner: Any = None,
    origin: Origin = SYSTEM,
) -> AbstractPayment:
    """Start a payment that the host has saved itself, or make a new attempt when its Checkout Session has closed.

    An open session is used again. Whether it is open the provider is asked, unless it was made within half an hour: our
    own clock may be fast or slow. One that asks for another amount than the payment does is closed first.

    Args:
        base_url: scheme and host for the return URLs when ``PAYMENT_HOST`` is not set.
        save_payment_method, customer_owner: see ``create_payment``; an attempt before has said it for the next, too.

    Raises:
        WrongState: the payment is paid, authorised or cancelled, or money that was not expected waits for a decision;
            or its seller is not connected any more (``OtherAccount``).
        ProviderError: the provider refused or failed.
    """
    verify_seller(payment.variant)
    payment.base_url = base_url
    replaces = ""
    verify_decided(payment)
    if payment.transaction_id and (payment.is_payable or payment.status in REOPENABLE):
        # The secret of a page that stands within the host's own is not stored.
        if is_open(payment) and is_unchanged(payment) and is_fresh(payment) and not payment.needs_secret:
            return payment
        # It may have been paid without our having been notified: only the provider knows.
        gateway = gateway_of(payment)
        snapshot = ask_about(gateway, payment)
        payment = write_snapshot(payment.pk, snapshot, origin)
        payment.client_secret, payment.base_url = snapshot.client_secret, base_url
        verify_decided(payment)
        if not (payment.is_payable or payment.status in REOPENABLE):
            return payment
        if is_open(payment):
            if fits(payment, snapshot) or snapshot.object_id != payment.transaction_id:
                return payment
            replaces = payment.transaction_id
    validate_amount(payment.total, payment.currency)
    verify_terms(payment)
    made_in(payment.variant)
    params = {"payment_method": "", "base_url": base_url, "anew": True} | ({"replaces": replaces} if replaces else {})
    request = Request(params=params, further=ask_host_to_start(payment))
    saves = save_payment_method or _saved_before(payment)
    if not CREATE.operations(payment.pk).pending().exists():
        billed = customer_owner or customer_owner_of(payment)
        request = _with_customer(payment, request, billed, saves, origin)[1]
    claim = run(CREATE, payment.pk, request, origin)
    started: AbstractPayment = claim.subject
    return started if claim.is_answered or not claim.gateway.confirms_at_once else confirm_at_once(started, origin)


def _saved_before(payment: AbstractPayment) -> bool:
    """Return whether the attempt before this one was to keep what is paid with."""
    if not payment.provider_customer_id:
        return False
    before = CREATE.operations(payment.pk).filter(kind=CREATE.kind).order_by("-pk").first()
    return before is not None and bool(before.params.get("save_payment_method"))


@retry_on_deadlock
def store_payment(
    verb: Verb[AbstractPayment, PaymentOperation, Any], payment: AbstractPayment, request: Request, origin: Origin
) -> PaymentClaim:
    """Commit a new payment together with the operation that will start it."""
    made = made_in(payment.variant)
    with money_transaction():
        claim = Claim(verb, payment, verb.new_operation(payment, request), origin, added=request.further)
        payment.livemode, payment.account_id = claim.gateway.livemode, made.get("account_id", "")
        payment.pk = None
        payment.save(using=payments_database(), force_insert=True)
        amount = format_amount(payment.total, payment.currency)
        data = {"amount": amount, "currency": payment.currency, "gateway": payment.gateway}
        write_log(payment, LogEvent.CREATED, origin, f"{amount} {payment.currency}", data)
        send_on_commit(signals.payment_created, type(payment), payment=payment)
        store(claim)
        return claim


def _page_params(payment: AbstractPayment) -> dict[str, Any]:
    """Return what a page of the provider shows, and where it leads to."""
    params: dict[str, Any] = {
        "items": [asdict(item) | {"price": str(item.price)} for item in line_items(payment)],
        "success_url": payment.get_success_url(),
        "cancel_url": payment.get_failure_url(),
    }
    return params | closing_time()


def verified_capture_method(variant: str, asked: str) -> str:
    """Return the capture method that was asked for; unasked, the column takes what the variant's options say."""
    if asked not in CaptureMethod.values:
        raise InvalidInput('The capture method is "automatic" or "manual".', field="capture_method")
    if asked == CaptureMethod.MANUAL and not get_gateway(variant).supports_manual_capture:
        raise InvalidInput("This gateway cannot capture later.", field="capture_method")
    return asked
