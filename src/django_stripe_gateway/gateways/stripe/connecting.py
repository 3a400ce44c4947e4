"""Stripe Connect: accounts of sellers, made by the platform and onboarded on Stripe's page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django_stripe_gateway.exceptions import GatewayConfigurationError, ProviderError
from django_stripe_gateway.gateways.connecting import (
    ConnectedAccountRequest,
    ConnectedAccountSnapshot,
    ConnectGateway,
)
from django_stripe_gateway.gateways.stripe.calls import StripeAccountCalls, ask
from django_stripe_gateway.gateways.stripe.catalogue_objects import page_url
from django_stripe_gateway.gateways.stripe.customers import has_metadata
from django_stripe_gateway.gateways.stripe.errors import ACCOUNT_INVALID
from django_stripe_gateway.gateways.stripe.fields import Object, flag, metadata_of, optional_text, reads, text

# Who pays Stripe's fees, and who bears what sellers cannot pay back: with a full Dashboard a seller deals with Stripe
# as any other account does; with the others that is the platform. https://docs.stripe.com/connect/accounts
CONTROLLERS: Mapping[str, Mapping[str, Any]] = {
    "full": {"fees": {"payer": "account"}, "losses": {"payments": "stripe"}},
    "express": {"fees": {"payer": "application"}, "losses": {"payments": "application"}},
    "none": {
        "fees": {"payer": "application"},
        "losses": {"payments": "application"},
        "requirement_collection": "stripe",
    },
}
# What a payment that ends on the account, or is taken by it, needs.
CAPABILITIES = ("card_payments", "transfers")


class StripeConnect(StripeAccountCalls, ConnectGateway):
    """The accounts that are connected to one platform account."""

    def create_account(self, request: ConnectedAccountRequest, *, idempotency_key: str) -> ConnectedAccountSnapshot:
        """Make an account."""
        controller = {**CONTROLLERS[request.dashboard], "stripe_dashboard": {"type": request.dashboard}}
        params: dict[str, Any] = {
            "controller": controller,
            "capabilities": {name: {"requested": True} for name in CAPABILITIES},
            "metadata": dict(request.metadata),
        }
        if request.email:
            params["email"] = request.email
        if request.country:
            params["country"] = request.country.upper()
        return self._send(self.v1.accounts.create, account_snapshot, idempotency_key, params=params)

    def find_account(self, request: ConnectedAccountRequest, *, since: datetime) -> ConnectedAccountSnapshot | None:
        """Return the account that carries the request's metadata."""
        made = self._items(
            lambda params: self.v1.accounts.list(params=params), account_snapshot, **self._made_since(since)
        )
        return next((found for found in made if has_metadata(found.metadata, request.metadata)), None)

    def retrieve_account(self, account_id: str) -> ConnectedAccountSnapshot:
        """Ask for an account; one that has left the platform is as unknown as one that never was."""
        try:
            return ask(lambda: self.v1.accounts.retrieve(account_id), account_snapshot)
        except GatewayConfigurationError as error:
            if error.code != ACCOUNT_INVALID:
                raise
            gone = ProviderError(error.detail, code=error.code, request_id=error.request_id)
            gone.is_missing = True
            raise gone from None

    def read_account(self, obj: Mapping[str, Any]) -> ConnectedAccountSnapshot:
        """Return the snapshot of an Account."""
        return account_snapshot(obj)

    def create_onboarding_url(self, account_id: str, *, refresh_url: str, return_url: str, idempotency_key: str) -> str:
        """Make an Account Link; https://docs.stripe.com/api/account_links/create"""
        params = {
            "account": account_id,
            "type": "account_onboarding",
            "refresh_url": refresh_url,
            "return_url": return_url,
        }
        return self._send(self.v1.account_links.create, page_url, idempotency_key, params=params)


@reads("an account")
def account_snapshot(obj: Object) -> ConnectedAccountSnapshot:
    """Return the snapshot of an Account."""
    requirements = obj.get("requirements")
    requirements = requirements if isinstance(requirements, Mapping) else {}
    due = requirements.get("currently_due")
    return ConnectedAccountSnapshot(
        account_id=text(obj["id"]),
        country=optional_text(obj.get("country")),
        default_currency=optional_text(obj.get("default_currency")).upper(),
        charges_enabled=flag(obj.get("charges_enabled")) is True,
        payouts_enabled=flag(obj.get("payouts_enabled")) is True,
        details_submitted=flag(obj.get("details_submitted")) is True,
        currently_due=tuple(text(name) for name in due) if isinstance(due, list) else (),
        disabled_reason=optional_text(requirements.get("disabled_reason")),
        metadata=metadata_of(obj.get("metadata")),
    )
