"""How a provider calls us: the half of its registration that stands above the gateways."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, ClassVar

from django.utils.module_loading import import_string

from django_stripe_gateway.choices import WebhookState
from django_stripe_gateway.exceptions import GatewayConfigurationError, UnsupportedByGateway
from django_stripe_gateway.gateways.registry import find_provider


@dataclass(frozen=True, slots=True)
class Envelope:
    """What a provider writes on an event, as it came: each field is checked by whoever reads the event.

    Args:
        object: what the event is about, a mapping.
        created: seconds since 1970, or ISO 8601.
        context: what the object has to be asked for with, where it is another account's.
        previous: what the object was before, where the event says so: a mapping of what is other now.
        account: the account of the provider's that the event is about, where it says so.
        same_as: the id of the same event in the form that holds its object, where it only names the object.
        is_thin: it only names what it is about, and the provider has to be asked for that.
    """

    id: Any
    type: Any
    object: Any
    created: Any = None
    livemode: Any = None
    api_version: Any = None
    context: Any = None
    previous: Any = None
    account: Any = None
    same_as: Any = None
    is_thin: bool = False


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What the provider has said of the object that a thin event only names.

    Args:
        object: as it is now, or was last known.
        began: when the provider was asked.
        state: what becomes of an event whose object cannot be handled; ``None`` where it can.
        reason: why not.
    """

    object: Mapping[str, Any]
    began: datetime
    state: WebhookState | None = None
    reason: str = ""


class WebhookProvider(ABC):
    """How a provider's deliveries are verified and read.

    ``Provider.webhooks`` names a subclass by its dotted path; it is made without arguments. The module that defines it
    imports the handlers of the provider's events, each of them registered with
    ``handles(…, provider=NAME, built_in=True)``.
    """

    #: Headers of the request that are kept with an event: enough to look a delivery up at the provider, and no
    #: signature, which would verify again within its tolerance.
    audited_headers: ClassVar[Sequence[str]] = ()

    @abstractmethod
    def verify(self, body: bytes, headers: Mapping[str, str], variant: str = "") -> str:
        """Return the payment variant as which a delivery is genuine, of several of one account always the same.

        Args:
            body: exactly as it came; it is UTF-8.
            headers: by their names, in whichever case.
            variant: the only variant that it may be meant for, one of this provider's; by default any of them.

        Raises:
            WebhookRejected: forged, stale, or unsigned. Log why, and do not say it.
            ProviderUnavailable: what is needed to verify it could not be asked for; it has to be delivered again.
        """

    def read_envelope(self, data: Mapping[str, Any]) -> Envelope:
        """Return what is written on an event, which is verified but can hold anything: never raise."""
        inner = data.get("data")
        return Envelope(
            id=data.get("id"),
            type=data.get("type"),
            object=inner.get("object") if isinstance(inner, Mapping) else None,
            created=data.get("created"),
            livemode=data.get("livemode"),
            api_version=data.get("api_version"),
        )

    def parents(self, obj: Mapping[str, Any]) -> Iterable[Any]:
        """Return the ids that an event's object names as what it belongs to, the likeliest first, whatever they are.

        An event that comes before its object is known here is found by them when it is.
        """
        return ()

    def related_object(
        self, variant: str, related: Mapping[str, Any], context: str, account_id: str = ""
    ) -> dict[str, Any]:
        """Return the object that an event only names, asked of the provider, as plain values.

        Args:
            variant: the payment variant as which the event was verified.
            related: what the event says of the object.
            context: what it has to be asked for with, where it is another account's.
            account_id: the connected account that the event is about, if it is one.

        Raises:
            UnsupportedByGateway: this provider's events hold their objects.
            ProviderError: the event names no object, or the provider refused or failed.
        """
        raise UnsupportedByGateway("The events of this provider hold their objects.")

    def place(self, variant: str, account_id: str, livemode: bool | None, kind: str = "") -> tuple[str, str]:
        """Return the variant that an event is about, and its account where that is no variant's: a connected one.

        Called outside of any transaction: the provider may be asked whose the variant's key is.

        Args:
            variant: as which the event was verified.
            account_id: that the event names as its own.
            kind: of the object that the event is about, as the provider names it.

        Raises:
            ProviderUnavailable: nobody knows whether the account is the variant's own.
        """
        return variant, account_id

    def full_type(self, event_type: str) -> str:
        """Return as which type a thin event comes where it holds its object; empty if it comes as none."""
        return ""

    def look_up(self, event: Any) -> LookedUp:
        """Ask for the object of a thin event, to have it handled as the event that holds its object.

        Called outside of any transaction; ``event`` is an ``Event``.

        Raises:
            UnsupportedByGateway: this provider's events hold their objects.
            ProviderError: the provider refused or failed; the event is tried again later.
        """
        raise UnsupportedByGateway("The events of this provider hold their objects.")

    def may_speak_for(self, verified: str, variant: str) -> bool:
        """Return whether an event that was verified as ``verified`` may change what belongs to ``variant``."""
        return verified == variant


def webhook_provider(name: str) -> WebhookProvider:
    """Return how the provider that is registered as ``name`` calls us.

    Raises:
        GatewayConfigurationError: there is none, or it sends no webhooks.
    """
    provider = find_provider(name)
    if provider is None or not provider.webhooks:
        raise GatewayConfigurationError(f"No provider with webhooks is registered as {name!r}.")
    return _loaded(provider.webhooks)


@cache
def _loaded(path: str) -> WebhookProvider:
    found: WebhookProvider = import_string(path)()
    return found
