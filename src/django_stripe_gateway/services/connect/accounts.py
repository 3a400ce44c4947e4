"""Make sellers' accounts, and send their owners to the provider's onboarding."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from django_stripe_gateway.adapter import get_adapter
from django_stripe_gateway.choices import ConnectOperationKind
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import InvalidInput, WrongState
from django_stripe_gateway.gateways.connecting import ConnectedAccountRequest, ConnectedAccountSnapshot
from django_stripe_gateway.gateways.registry import get_connect_gateway, get_gateway
from django_stripe_gateway.models import ConnectedAccount, ConnectOperation, PaymentGatewayConfig
from django_stripe_gateway.services.accounts import made_in
from django_stripe_gateway.services.arrivals import handle_arrivals
from django_stripe_gateway.services.connect.line import ConnectClaim, ConnectVerb
from django_stripe_gateway.services.connect.sync import announce, apply_account
from django_stripe_gateway.services.operations.engine import run
from django_stripe_gateway.services.operations.reconcile import Reconciled, settle_pending
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.transactions import payments_database

DASHBOARDS = ("express", "full", "none")
# What our call leaves on what it makes, so that an earlier attempt is found: random, since other sites may share the
# platform, and number their rows alike.
MARKER = "connected_account"
COUNTRY_LENGTH = 2


class CreateAccountVerb(ConnectVerb[ConnectedAccountSnapshot]):
    """Make an account at the provider."""

    kind = ConnectOperationKind.CREATE_ACCOUNT

    def check(self, claim: ConnectClaim) -> None:
        """Ask nobody if another request has made it meanwhile."""
        claim.is_answered = claim.subject.is_connected

    def call(self, claim: ConnectClaim) -> ConnectedAccountSnapshot:
        """Make it."""
        made: ConnectedAccountSnapshot = claim.gateway.create_account(account_request(claim), idempotency_key=claim.key)
        return made

    def find_earlier(self, claim: ConnectClaim) -> ConnectedAccountSnapshot | None:
        """Return the account that carries the operation's mark."""
        found: ConnectedAccountSnapshot | None = claim.gateway.find_account(
            account_request(claim), since=claim.operation.created
        )
        return found

    def apply(self, claim: ConnectClaim, answer: ConnectedAccountSnapshot) -> str:
        """Take over the account's id, and how it stands."""
        account = claim.subject
        if account.provider_id != answer.account_id:
            account.provider_id, account.deauthorized = answer.account_id, None
            account.fetched_at = timezone.now()
            apply_account(account, answer)
            announce(account, ["provider_id"])
            handle_arrivals(answer.account_id)
        return answer.account_id


class OnboardingVerb(ConnectVerb[str]):
    """Make a page on which the owner tells the provider what it wants to know."""

    kind = ConnectOperationKind.ONBOARDING

    def check(self, claim: ConnectClaim) -> None:
        """Refuse for an account that does not exist, or has left."""
        if not claim.subject.is_connected:
            raise WrongState("This account is not connected.")

    def call(self, claim: ConnectClaim) -> str:
        """Return its address."""
        params = claim.params
        url: str = claim.gateway.create_onboarding_url(
            claim.subject.provider_id or "",
            refresh_url=params["refresh_url"],
            return_url=params["return_url"],
            idempotency_key=claim.key,
        )
        return url

    def find_earlier(self, claim: ConnectClaim) -> str | None:
        """Return nothing: the provider lists no such pages; each is good once, and changes nothing by itself."""
        return None

    def apply(self, claim: ConnectClaim, answer: str) -> str:
        """Keep nothing: whoever has the address is the owner."""
        return ""


CREATE_ACCOUNT = register(CreateAccountVerb())
ONBOARD = register(OnboardingVerb())


def create_connected_account(
    *, owner: Any, gateway: str, country: str = "", dashboard: str = "express", origin: Origin = SYSTEM
) -> ConnectedAccount:
    """Return the account of a seller on the platform, made at the provider if there is none.

    Args:
        owner: instance of ``STRIPE_GATEWAY_OWNER_MODEL``; name and e-mail are the adapter's ``customer_details``.
        gateway: whose account is the platform: a variant, or the name of an active ``PaymentGatewayConfig``.
        country: ISO code of where the seller does business; by default the platform's. It cannot be changed later.
        dashboard: "express", "full" or "none": which dashboard of the provider the seller gets. With "full" the seller
            pays the provider's fees and bears losses, with the others the platform does.
        origin: who asked.

    Raises:
        InvalidInput: the country is none, or there is no such dashboard.
        OperationInProgress: another request is about to make it.
        UnsupportedByGateway: the provider connects no accounts.
        ProviderError: the provider refused or failed.
    """
    if dashboard not in DASHBOARDS:
        raise InvalidInput(f"The dashboard is one of {', '.join(DASHBOARDS)}.", field="dashboard")
    if country and not (len(country) == COUNTRY_LENGTH and country.isascii() and country.isalpha()):
        raise InvalidInput("The country is an ISO code of two letters.", field="country")
    variant = _variant_of(gateway)
    get_connect_gateway(variant)
    account = _row(owner, variant)
    if account.is_connected:
        return account
    email = str(get_adapter().customer_details(owner).get("email") or "")
    match = {"email": email, "country": country.upper(), "dashboard": dashboard}
    request = Request(params={**match, "mark": str(uuid.uuid4())}, match=match)
    made: ConnectedAccount = run(CREATE_ACCOUNT, account.pk, request, origin).subject
    return made


def onboarding_url(*, account: ConnectedAccount, return_url: str, refresh_url: str, origin: Origin = SYSTEM) -> str:
    """Return the address of the provider's page where the seller tells what it wants to know.

    It is good once and for some minutes, and whoever has it is the seller: redirect to it, and never send it by mail.

    Args:
        return_url: absolute address of the page that the seller comes back to, done or not: ask then how it stands.
        refresh_url: absolute address of a page that makes a new address and redirects to it.

    Raises:
        WrongState: the account is not connected.
        ProviderError: the provider refused or failed.
    """
    params = {"return_url": return_url, "refresh_url": refresh_url}
    url: str = run(ONBOARD, account.pk, Request(params=params, match=params), origin).answer
    return url


def account_request(claim: ConnectClaim) -> ConnectedAccountRequest:
    """Return what the account is made of, as an operation has kept it."""
    params = claim.params
    return ConnectedAccountRequest(
        email=params["email"],
        country=params["country"],
        dashboard=params["dashboard"],
        metadata={MARKER: params["mark"]},
    )


def reconcile_connect_operations(*, origin: Origin = SYSTEM) -> Iterator[Reconciled]:
    """Claim every operation about a seller's account whose process died, and yield what became of it."""
    return settle_pending(ConnectOperation, origin)


def _variant_of(gateway: str) -> str:
    """Return the variant that a gateway is named by, which need not be offered to buyers."""
    config = PaymentGatewayConfig.objects.active().named(gateway).first()
    return gateway if config is None or gateway in gateway_settings.variants else config.variant


def _row(owner: Any, variant: str) -> ConnectedAccount:
    rows = ConnectedAccount.objects.using(payments_database())
    made = made_in(variant, is_required=True) or {"livemode": get_gateway(variant).livemode}
    row = rows.filter(owner_id=owner.pk, variant=variant).of_configured_account().order_by("-account_id", "-pk").first()
    if row is not None:
        return row
    try:
        with transaction.atomic(using=payments_database()):
            return rows.create(owner_id=owner.pk, variant=variant, **made)
    except IntegrityError:
        # Another request of the same owner was faster.
        return rows.get(owner_id=owner.pk, variant=variant, **made)
