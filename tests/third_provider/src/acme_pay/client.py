"""Call Acme Pay, and turn what goes wrong into the gateway's errors."""

from __future__ import annotations

from typing import Any

import requests

from acme_pay.accounts import AcmeAccount
from django_stripe_gateway.exceptions import (
    GatewayConfigurationError,
    PaymentDeclined,
    ProviderError,
    ProviderStateError,
    ProviderTimeout,
    ProviderUnavailable,
)

TIMEOUT_SECONDS = 10
REFUSALS: dict[int, type[ProviderError]] = {409: ProviderStateError}


def call(account: AcmeAccount, name: str, *, key: str = "", **body: Any) -> Any:
    """Return Acme Pay's answer.

    Raises:
        ProviderUnavailable: nobody answered, or nothing that can be read: the outcome is unknown.
        PaymentDeclined: a card was declined.
        GatewayConfigurationError: the key is wrong.
        ProviderError: Acme Pay refused; ``ProviderStateError`` because of the object's state.
    """
    headers = {"Authorization": f"Bearer {account.key}"} | ({"Idempotency-Key": key} if key else {})
    try:
        answer = requests.post(f"{account.url}/{name}", json=body, headers=headers, timeout=TIMEOUT_SECONDS)
        found = answer.json()
    except requests.Timeout:
        raise ProviderTimeout("Acme Pay did not answer in time. Try again.") from None
    except (requests.RequestException, ValueError):
        raise ProviderUnavailable("Acme Pay failed. Try again.") from None
    if answer.status_code < 400:
        return found
    code, message = found["code"], found["message"]
    if answer.status_code >= 500:
        raise ProviderUnavailable(message)
    if answer.status_code == 401:
        raise GatewayConfigurationError("Acme Pay does not know the key. Correct the option key of the variant.")
    if answer.status_code == 402:
        raise PaymentDeclined(message, code=code, decline_code=code)
    refused = REFUSALS.get(answer.status_code, ProviderError)(message, code=code)
    refused.is_missing = answer.status_code == 404
    raise refused
