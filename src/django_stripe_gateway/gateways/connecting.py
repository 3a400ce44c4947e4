"""The interface of platforms: accounts of sellers, connected to the platform's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class ConnectedAccountRequest:
    """What a connected account is made of.

    Args:
        email: of its owner, for the provider's form; may be empty.
        country: ISO code of where its owner does business; empty for the platform's.
        dashboard: "express", "full" or "none": which of the provider's dashboards its owner gets.
        metadata: kept on the account, by which an earlier attempt is found.
    """

    email: str = field(default="", repr=False)
    country: str = ""
    dashboard: str = "express"
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConnectedAccountSnapshot:
    """A connected account as its provider sees it.

    Args:
        currently_due: the provider's names of what it wants to know.
        disabled_reason: the provider's word; empty while nothing is disabled.
    """

    account_id: str
    country: str = ""
    default_currency: str = ""
    charges_enabled: bool = False
    payouts_enabled: bool = False
    details_submitted: bool = False
    currently_due: Sequence[str] = ()
    disabled_reason: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class ConnectGateway(ABC):
    """The accounts that are connected to one platform; see ``Gateway`` for what is raised."""

    provider: ClassVar[str] = ""

    @abstractmethod
    def create_account(self, request: ConnectedAccountRequest, *, idempotency_key: str) -> ConnectedAccountSnapshot:
        """Make an account, whose owner has still to be onboarded."""

    @abstractmethod
    def find_account(self, request: ConnectedAccountRequest, *, since: datetime) -> ConnectedAccountSnapshot | None:
        """Return the account that an earlier attempt has made, found by the request's metadata."""

    @abstractmethod
    def retrieve_account(self, account_id: str) -> ConnectedAccountSnapshot:
        """Ask how an account stands."""

    @abstractmethod
    def read_account(self, obj: Mapping[str, Any]) -> ConnectedAccountSnapshot:
        """Return the snapshot of an event's object."""

    @abstractmethod
    def create_onboarding_url(self, account_id: str, *, refresh_url: str, return_url: str, idempotency_key: str) -> str:
        """Return the address of the page where the owner tells the provider what it wants to know; good once."""
