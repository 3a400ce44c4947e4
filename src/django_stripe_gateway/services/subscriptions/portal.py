"""Open the provider's page where customers manage what they pay."""

from __future__ import annotations

from urllib.parse import urljoin

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import BillingOperationKind
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import UnsupportedByGateway
from django_stripe_gateway.models import Customer
from django_stripe_gateway.models.return_urls import default_base_url
from django_stripe_gateway.services.accounts import billing_gateway_of
from django_stripe_gateway.services.operations.engine import run
from django_stripe_gateway.services.operations.verbs import Request, register
from django_stripe_gateway.services.origins import SYSTEM, Origin
from django_stripe_gateway.services.subscriptions.customers import with_customer
from django_stripe_gateway.services.subscriptions.line import (
    CustomerClaim,
    CustomerVerb,
    ask_host_for,
    customer_id,
)


class OpenPortalVerb(CustomerVerb[str]):
    """Make a page of the portal."""

    kind = BillingOperationKind.PORTAL

    def call(self, claim: CustomerClaim) -> str:
        """Return its address."""
        url: str = claim.gateway.create_portal_url(
            customer_id(claim), claim.params["return_url"], idempotency_key=claim.key, **claim.further_argument
        )
        return url

    def find_earlier(self, claim: CustomerClaim) -> str | None:
        """Return nothing: the provider lists no such pages; each is short-lived, and changes nothing by itself."""
        return None

    def apply(self, claim: CustomerClaim, answer: str) -> str:
        """Keep nothing: whoever has the address is the customer."""
        return ""


OPEN_PORTAL = register(OpenPortalVerb())


def portal_url(*, customer: Customer, return_url: str, origin: Origin = SYSTEM) -> str:
    """Return the address of the provider's page where the customer manages what they pay.

    A customer that the provider has deleted is made anew.

    Args:
        return_url: absolute address of the host's page that the provider's page links back to.

    Raises:
        UnsupportedByGateway: the provider has none.
        ProviderError: the provider refused or failed.
    """
    if not billing_gateway_of(customer).supports_portal:
        raise UnsupportedByGateway("This gateway has no page where customers manage what they pay.")
    params = {"return_url": return_url}
    further = ask_host_for(CallKind.PORTAL, customer)
    request = Request(params=params, match=params, further=further)
    url: str = with_customer(customer, lambda found: run(OPEN_PORTAL, found.pk, request, origin), origin).answer
    return url


def portal_return_address(base_url: str = "") -> str:
    """Return the page that customers come back to from the portal.

    Args:
        base_url: scheme and host of the request, for a setting that is a path; empty for ``PAYMENT_HOST``.
    """
    return urljoin(base_url or default_base_url(), gateway_settings.portal_return_url or "/")
