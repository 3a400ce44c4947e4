"""What giving up on a row has in common: somebody says why, and what is pending about it is closed."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from django_stripe_gateway.accounts import configured_account
from django_stripe_gateway.conf import gateway_settings, split_variant
from django_stripe_gateway.exceptions import InvalidInput, OperationInProgress, ProviderError, WrongState
from django_stripe_gateway.gateways.registry import is_supported_variant
from django_stripe_gateway.services.accounts import is_perhaps_elsewhere, learn_account
from django_stripe_gateway.services.operations.engine import give_up
from django_stripe_gateway.services.operations.verbs import Claim, verb_of
from django_stripe_gateway.services.origins import Origin

CODE = "given_up"
REASON_LENGTH = 200


class KnownRow:
    """A row that somebody wants to give up on, and how its provider is asked whether it knows it."""

    def __init__(self, row: Any) -> None:
        self.row = row

    @property
    def object_id(self) -> str:
        """The provider's id of what can be asked about, empty where nothing was made there."""
        raise NotImplementedError

    def find(self) -> bool:
        """Ask under the configured key, whosever the row is.

        Raises:
            ProviderError: as the provider has said.
        """
        raise NotImplementedError

    def is_known(self) -> bool:
        """Return whether the provider knows it under the configured key, which may be its account's after all.

        What nothing was made for yet in the configured account counts as known, as an attempt may be under way.

        Raises:
            AccountContradicted: the key is of another account than the settings say.
            ProviderError: the provider refused to say, or failed.
            WrongState: it has said that it does not know it, and may be wrong.
        """
        variant = self.row.variant
        platform = split_variant(variant)[0]
        if platform != variant and platform in gateway_settings.variants:
            # Which sellers there are shows only where it is known whose the platform's key is.
            learn_account(platform)
        is_own = self.row.is_of_configured_account
        if not is_supported_variant(variant):
            return False
        if not is_own:
            # What the settings say of the account may be wrong; what the key says of the mode is not.
            account = configured_account(variant)
            if not self.object_id or account is None or account.livemode != self.row.livemode:
                return False
        elif not self.object_id:
            return True
        learn_account(variant)
        try:
            return self.find()
        except ProviderError as error:
            if not error.is_missing:
                raise
        if is_own:
            self.verify_missing()
        return False

    def verify_missing(self) -> None:
        """Raise ``WrongState`` where one such answer about the configured account's own is not enough."""
        if is_perhaps_elsewhere(self.row):
            raise WrongState(
                f"The provider does not know this, but it is of the account {self.row.account_id}, and nobody knows "
                "whose the key is. Name its account first: STRIPE_GATEWAY_ACCOUNT_ID, or the variant's account_id.",
                code="not_certain",
            )


def verify_reason(reason: str) -> str:
    """Return why somebody gives up, as it is kept.

    Raises:
        InvalidInput: nothing was said.
    """
    if not reason.strip():
        raise InvalidInput("Say why you give up on it: the audit trail keeps it.", field="reason")
    return reason.strip()[:REASON_LENGTH]


def verify_unknown(found: KnownRow, noun: str) -> None:
    """Raise ``WrongState`` for what the provider can still answer for.

    Raises:
        ProviderError: the provider refused to say, or failed.
    """
    if found.is_known():
        sentence = f"The provider knows this {noun}, or may be about to. Cancel it, or resume what is pending, instead."
        raise WrongState(sentence, code="known_at_provider")


def verify_unleased(operations: Any) -> None:
    """Raise ``OperationInProgress`` while a process may still be waiting for the answer to one of ``operations``."""
    if operations.pending().filter(leased_until__gt=timezone.now()).exists():
        raise OperationInProgress("A process may still be waiting for the provider's answer.", retry_after=1)


def close_operations(operations: Any, reason: str, origin: Origin) -> None:
    """Close the pending operations of a row that is given up on."""
    for operation in operations.pending():
        verb = verb_of(operation)
        give_up(Claim(verb, getattr(operation, verb.subject_field), operation, origin), CODE, f"Given up: {reason}")
