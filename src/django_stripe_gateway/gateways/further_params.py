"""What a gateway says of the parameters that a host adds to its calls."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from django_stripe_gateway.adapter import CallKind, wrong_answer


class TakesFurtherParams:
    """Part of every gateway: by default none of its calls can be given further parameters."""

    provider: ClassVar[str] = ""
    #: Its calls take parameters of the host's (``Adapter.further_params``), which are merged with their own.
    supports_further_params: ClassVar[bool] = False

    def check_further_params(self, kind: CallKind, params: Mapping[str, Any], *, own_metadata: Collection[str]) -> None:
        """Refuse what a host may not add to a call; asked before anything is stored or sent.

        Args:
            params: what the host adds, as JSON has it.
            own_metadata: the keys of the metadata that the call carries anyway.

        Raises:
            GatewayConfigurationError: the sentence says which parameter, and what to use instead.
        """
        raise wrong_answer(
            "further_params",
            f"adds {', '.join(params)} to a call of the provider {self.provider!r}, whose gateway takes no further "
            "parameters. Return {} where call.provider is that",
        )

    def lets_amount_differ(self, params: Mapping[str, Any]) -> bool:
        """Return whether what a host adds to a payment's page lets its customer be charged more or less for it.

        Taxes, delivery and discounts do, which the page itemises; the payment takes them over when it is paid.
        """
        return False
