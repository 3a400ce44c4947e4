"""What a provider gets to know of an owner."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from django_stripe_gateway.adapter import get_adapter, wrong_answer

NAME_LENGTH = 256
# Whose customer it is: the key of the owner here.
OWNER_MARK = "owner_id"


def owner_details(owner: Any) -> dict[str, Any]:
    """Return what the provider gets to know of an owner: name, e-mail address and our id.

    Raises:
        GatewayConfigurationError: the host's adapter answers no dictionary.
    """
    details: Any = get_adapter().customer_details(owner)
    if not isinstance(details, Mapping):
        raise wrong_answer("customer_details", "must return a dictionary of name and email")
    return {
        "name": str(details.get("name") or "")[:NAME_LENGTH],
        "email": str(details.get("email") or ""),
        "metadata": {OWNER_MARK: str(owner.pk)},
    }


def details_digest(details: Mapping[str, Any], further: Mapping[str, Any] | None = None) -> str:
    """Return a digest of an owner's details, by which a change is seen without keeping them.

    Args:
        further: what the host adds to them.
    """
    if further:
        details = {**details, "further": further}
    return hashlib.sha256(json.dumps(details, sort_keys=True).encode()).hexdigest()
