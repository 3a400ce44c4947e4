"""The webhook endpoints of a Stripe account: where it delivers its events, and in which API version."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from django_stripe_gateway.exceptions import InvalidInput, ProviderError
from django_stripe_gateway.gateways.stripe.calls import StripeAccountCalls, ask
from django_stripe_gateway.gateways.stripe.fields import metadata_of

KIND_MARK, CONNECT = "django_stripe_gateway", "connect"


@dataclasses.dataclass(frozen=True, slots=True)
class WebhookEndpoint:
    """One endpoint; its signing secret is only in the answer that creates it."""

    id: str
    url: str
    api_version: str
    enabled_events: tuple[str, ...]
    is_enabled: bool
    created: int
    description: str = ""
    #: It brings the events of connected accounts.
    is_connect: bool = False
    secret: str = dataclasses.field(default="", repr=False)


class StripeEndpoints(StripeAccountCalls):
    """Lists, creates and changes the endpoints of one account."""

    @property
    def api_version(self) -> str:
        """The version that new endpoints are pinned to: the account's own, else the one the SDK was made for."""
        import stripe  # noqa: PLC0415

        return self.account.api_version or str(stripe.api_version)

    def list_all(self) -> Sequence[WebhookEndpoint]:
        """Return every endpoint of the account, newest first."""
        return self._list(self.v1.webhook_endpoints.list, _endpoint)

    def exists(self, endpoint_id: str) -> bool:
        """Return whether the account still has an endpoint."""
        return any(endpoint.id == endpoint_id for endpoint in self.list_all())

    def create(
        self, url: str, events: Sequence[str], *, description: str, idempotency_key: str, connect: bool = False
    ) -> tuple[WebhookEndpoint, bool]:
        """Create an endpoint; return it with its secret, and whether the answer is that of an earlier request.

        Raises:
            InvalidInput: Stripe does not take the address, or the account has too many endpoints.
        """
        params: dict[str, Any] = {"url": url, "enabled_events": list(events), "api_version": self.api_version}
        if description:
            params["description"] = description
        if connect:
            # Stripe does not say of an endpoint which kind it is.
            params |= {"connect": True, "metadata": {KIND_MARK: CONNECT}}
        answers: list[Any] = []

        def call() -> Any:
            answers.append(
                self.v1.webhook_endpoints.create(params=params, options={"idempotency_key": idempotency_key})
            )
            return answers[-1]

        try:
            with _secrets_unlogged():
                endpoint = ask(call, _endpoint)
        except ProviderError as error:
            raise _advised(error) from None
        return endpoint, answers[-1].last_response.headers.get("Idempotent-Replayed") == "true"

    def update(self, endpoint: WebhookEndpoint, **changes: Any) -> WebhookEndpoint:
        """Change ``enabled_events``, ``description`` or ``disabled``; nothing else of an endpoint can be changed."""
        try:
            # Twice is as good as once. A key of ours would keep the same change from being made again, a day long.
            return ask(self.v1.webhook_endpoints.update, _endpoint, endpoint.id, params=changes)
        except ProviderError as error:
            raise _advised(error) from None


@contextmanager
def _secrets_unlogged() -> Iterator[None]:
    """Keep the SDK from logging an answer with a signing secret: at DEBUG it logs whole bodies."""
    logger = logging.getLogger("stripe")

    def has_no_secret(record: logging.LogRecord) -> bool:
        return "whsec_" not in record.getMessage()

    logger.addFilter(has_no_secret)
    try:
        yield
    finally:
        logger.removeFilter(has_no_secret)


def _endpoint(obj: Mapping[str, Any]) -> WebhookEndpoint:
    return WebhookEndpoint(
        id=str(obj["id"]),
        url=str(obj["url"]),
        api_version=str(obj.get("api_version") or ""),
        enabled_events=tuple(obj["enabled_events"]),
        is_enabled=obj["status"] == "enabled",
        created=int(obj["created"]),
        description=str(obj.get("description") or ""),
        is_connect=bool(obj.get("application")) or metadata_of(obj.get("metadata")).get(KIND_MARK) == CONNECT,
        secret=str(obj.get("secret") or ""),
    )


def _advised(error: ProviderError) -> ProviderError | InvalidInput:
    """Say what to do about the refusals that Stripe has no code for."""
    text = error.detail.lower()
    if "maximum of" in text:
        advice = "Delete endpoints that nobody needs any more in Stripe's Dashboard, and run the command again."
    elif error.code == "url_invalid" or "url" in text:
        advice = (
            "Stripe must reach the address over the internet, with https for live events: set PAYMENT_HOST and "
            "PAYMENT_USES_SSL, or give --url. On your own machine use the Stripe CLI: stripe listen --forward-to."
        )
    elif "enabled_events" in text:
        advice = "A handler is registered for a type that Stripe does not know; correct its name."
    else:
        return error
    return InvalidInput(f"{error.detail} {advice}", code=error.code, request_id=error.request_id)
