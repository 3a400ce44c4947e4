"""What all verbs about sellers' accounts share: the account's row is their lock."""

from __future__ import annotations

from typing import Any, TypeVar

from django_stripe_gateway.gateways.connecting import ConnectGateway
from django_stripe_gateway.gateways.registry import get_connect_gateway
from django_stripe_gateway.models import ConnectedAccount, ConnectOperation
from django_stripe_gateway.services.operations.engine import carry_on
from django_stripe_gateway.services.operations.verbs import Claim, Verb
from django_stripe_gateway.services.transactions import payments_database

A = TypeVar("A")
ConnectClaim = Claim[ConnectedAccount, ConnectOperation]


class ConnectVerb(Verb[ConnectedAccount, ConnectOperation, A]):
    """A verb about a seller's account."""

    noun = "connected account"
    subject_field = "connected_account"
    model = ConnectOperation

    def lock(self, subject_pk: Any) -> ConnectedAccount:
        """Return the account, its row locked."""
        return lock_connected_account(subject_pk)

    def gateway(self, claim: ConnectClaim) -> ConnectGateway:
        """Return the gateway of the platform's account."""
        return get_connect_gateway(claim.subject.variant)

    def supersede(self, claim: ConnectClaim) -> None:
        """Carry it out, so that what is asked for finds it done."""
        carry_on(claim)


def lock_connected_account(pk: Any) -> ConnectedAccount:
    """Return a seller's account, its row locked until the transaction ends."""
    return ConnectedAccount.objects.using(payments_database()).select_for_update().get(pk=pk)
