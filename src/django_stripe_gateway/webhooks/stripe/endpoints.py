"""Keep the webhook endpoint at Stripe in step with the handlers that are registered here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

from django.urls import reverse

from django_stripe_gateway.exceptions import InvalidInput, UnsupportedByGateway
from django_stripe_gateway.gateways.stripe.accounts import StripeAccount, stripe_account, stripe_accounts
from django_stripe_gateway.gateways.stripe.endpoints import StripeEndpoints, WebhookEndpoint
from django_stripe_gateway.gateways.stripe.localstripe.webhooks import register_with_localstripe
from django_stripe_gateway.models.return_urls import default_base_url
from django_stripe_gateway.webhooks.stripe.event_types import stripe_event_types
from django_stripe_gateway.webhooks.stripe.variants import event_variant

# How often an endpoint may be deleted by hand and registered anew within a day.
MOST_GENERATIONS = 50


@dataclass(frozen=True, slots=True)
class Registration:
    """What was done, or with ``dry_run`` would be done, about the endpoint of one account.

    ``action`` is "created", "updated", "enabled", "unchanged" or "replacing" (a new one stands beside the old one).
    """

    variant: str
    url: str
    action: str
    endpoint_id: str = ""
    api_version: str = ""
    wanted_api_version: str = ""
    event_count: int = 0
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    older: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)
    is_localstripe: bool = False
    is_connect: bool = False

    @property
    def has_other_version(self) -> bool:
        """Whether the endpoint sends events in another API version than it would be made with today."""
        return self.api_version != self.wanted_api_version


def webhook_url() -> str:
    """Return the absolute address of ``webhooks/stripe/``, as this project mounts it."""
    return urljoin(f"{default_base_url()}/", reverse("django_stripe_gateway:stripe-webhook"))


def accounts_to_register(variant: str = "") -> Iterator[StripeAccount]:
    """Yield the account of ``variant``, or each account of the settings once.

    Raises:
        UnsupportedByGateway: it is a seller's, who has no endpoint of the site's.
    """
    if variant:
        account = stripe_account(variant)
        if account.connected_id:
            raise UnsupportedByGateway(
                "What happens on sellers' accounts comes by the platform's endpoint: register that, with --connect."
            )
        yield account
        return
    yield from (account for account in stripe_accounts() if event_variant(account) == account.variant)


def register_endpoint(
    *,
    account: StripeAccount,
    url: str,
    description: str = "",
    replace: bool = False,
    dry_run: bool = False,
    connect: bool = False,
) -> Registration:
    """Let ``account`` deliver exactly the event types that are handled for it to ``url``.

    Args:
        url: where; an endpoint with this address is updated, else one is created.
        description: shown in Stripe's Dashboard; empty leaves what is there.
        replace: make a new endpoint beside one of another API version; once the new one is there, the next call
            disables the older ones.
        dry_run: ask Stripe, and change nothing.
        connect: the endpoint is another one, for the events of connected accounts.

    Raises:
        InvalidInput: Stripe would not deliver to the address, or nobody handles events of connected accounts.
        GatewayError: Stripe, or localstripe, refused or was silent.
    """
    events = stripe_event_types(event_variant(account), connect=connect)
    _check_url(account, url)
    if connect and (account.is_localstripe or not events):
        raise InvalidInput(
            "localstripe has no connected accounts."
            if account.is_localstripe
            else 'Nobody handles events of connected accounts. Register a handler: @handles("account.updated", '
            "connect=True)."
        )
    if account.is_localstripe:
        if not dry_run:
            register_with_localstripe(account, url, events)
        return Registration(account.variant, url, "created", event_count=len(events), is_localstripe=True)
    registrar = _Registrar(StripeEndpoints(account), url, events, description, dry_run=dry_run, connect=connect)
    return registrar.run(replace=replace)


@dataclass(frozen=True, slots=True)
class _Registrar:
    """One run for one account: what is wanted there."""

    endpoints: StripeEndpoints
    url: str
    events: Sequence[str]
    description: str
    dry_run: bool
    connect: bool = False

    def run(self, *, replace: bool) -> Registration:
        version = self.endpoints.api_version
        known = [one for one in self.endpoints.list_all() if one.url == self.url and one.is_connect == self.connect]
        enabled = [endpoint for endpoint in known if endpoint.is_enabled]
        current = _of_version(enabled, version)
        if current is None and enabled and not replace:
            current = enabled[0]
        if current is None and not enabled:
            current = _of_version(known, version)
        if current is None:
            return self._create(known, enabled)
        return self._update(current, [other for other in enabled if other != current], replace=replace)

    def _create(self, known: Sequence[WebhookEndpoint], enabled: Sequence[WebhookEndpoint]) -> Registration:
        action = "replacing" if enabled else "created"
        older = tuple(endpoint.id for endpoint in enabled)
        if self.dry_run:
            return self._registration(None, action, added=tuple(self.events), older=older)
        endpoint = self._create_once(known)
        return self._registration(endpoint, action, added=tuple(self.events), older=older)

    def _create_once(self, known: Sequence[WebhookEndpoint]) -> WebhookEndpoint:
        """Create the endpoint under a key that a second run, or one at the same time, uses as well."""
        wanted = [self.url, self.endpoints.api_version, *self.events, self.description, *(one.id for one in known)]
        wanted += ["connect"] if self.connect else []
        for generation in range(MOST_GENERATIONS):
            key = _key("create", *wanted, str(generation))
            endpoint, is_replayed = self.endpoints.create(
                self.url, self.events, description=self.description, connect=self.connect, idempotency_key=key
            )
            # Stripe repeats its answer for a day, also after somebody has deleted the endpoint.
            if not is_replayed or self.endpoints.exists(endpoint.id):
                return endpoint
        raise InvalidInput("The endpoint was deleted and created too often today. Create it in Stripe's Dashboard.")

    def _update(self, current: WebhookEndpoint, others: Sequence[WebhookEndpoint], *, replace: bool) -> Registration:
        older = tuple(endpoint.id for endpoint in others)
        changes: dict[str, Any] = {}
        if set(current.enabled_events) != set(self.events):
            changes["enabled_events"] = list(self.events)
        if self.description and self.description != current.description:
            changes["description"] = self.description
        if not current.is_enabled:
            changes["disabled"] = False
        action = "enabled" if "disabled" in changes else "updated" if changes else "unchanged"
        if not self.dry_run:
            if changes:
                self.endpoints.update(current, **changes)
            if replace:
                for other in others:
                    self.endpoints.update(other, disabled=True)
        return self._registration(
            current,
            action,
            added=tuple(sorted(set(self.events) - set(current.enabled_events))),
            removed=tuple(sorted(set(current.enabled_events) - set(self.events))),
            older=() if replace else older,
            disabled=older if replace else (),
        )

    def _registration(self, endpoint: WebhookEndpoint | None, action: str, **values: Any) -> Registration:
        version = self.endpoints.api_version
        return Registration(
            variant=self.endpoints.account.variant,
            url=self.url,
            action=action,
            endpoint_id=endpoint.id if endpoint else "",
            api_version=endpoint.api_version if endpoint else version,
            wanted_api_version=version,
            event_count=len(self.events),
            secret=endpoint.secret if endpoint else "",
            is_connect=self.connect,
            **values,
        )


def _of_version(endpoints: Sequence[WebhookEndpoint], version: str) -> WebhookEndpoint | None:
    return next((endpoint for endpoint in endpoints if endpoint.api_version == version), None)


def _check_url(account: StripeAccount, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(
            f"{url!r} is not an absolute address. Give one such as https://shop.example.com/webhooks/stripe/."
        )
    if account.livemode and parts.scheme != "https":
        raise InvalidInput(
            f"Stripe delivers live events to https addresses only, not to {url}. Set PAYMENT_USES_SSL = True, or give "
            "--url https://…"
        )


def _key(*parts: str) -> str:
    return f"dsg-endpoint-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()}"
