"""Killed anywhere, with the keys forgotten at Stripe as well, no verb makes a second thing."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from django_stripe_gateway.choices import (
    BillingOperationKind,
    CatalogueOperationKind,
    ConnectOperationKind,
    OperationKind,
    OperationState,
)
from django_stripe_gateway.models import BillingOperation, CatalogueOperation, ConnectOperation, PaymentOperation
from django_stripe_gateway.services.operations import engine
from django_stripe_gateway.services.operations.verbs import registered_verbs
from django_stripe_gateway.services.verbs import VERBS
from tests.fake_stripe import FakeStripe
from tests.test_billing.host import SubscriptionHost
from tests.test_verbs.cases import CASES, Case

TABLES = (PaymentOperation, BillingOperation, CatalogueOperation, ConnectOperation)
KINDS = (
    "credit_note discount customer subscription subscription_schedule checkout.session payment_intent "
    "charge refund product price setup_intent invoice invoiceitem billing.meter account transfer transfer_reversal "
    "application_fee fee_refund"
).split()


class Killed(BaseException):
    """The process ends here."""


def die(*args: Any, **kwargs: Any) -> None:
    raise Killed


def die_before_the_call(patch: pytest.MonkeyPatch, case: Case) -> None:
    """Die when the operation is committed and nobody was asked."""
    patch.setattr(type(case.verb), "call", die)


def die_before_the_answer_is_written(patch: pytest.MonkeyPatch, case: Case) -> None:
    """Die when the provider has answered."""
    patch.setattr(engine, "settle", die)


def die_while_the_answer_is_written(patch: pytest.MonkeyPatch, case: Case) -> None:
    """Die in the transaction that writes the answer, before the operation's outcome: neither may stay."""
    patch.setattr(engine, "close_operation", die)


KILL_POINTS = [die_before_the_call, die_before_the_answer_is_written, die_while_the_answer_is_written]


@pytest.fixture
def site(request: pytest.FixtureRequest, stripe_server: FakeStripe, settings: Any) -> Any:
    """Return a function that makes a host whose payments take one flow or the other."""

    def make(case: Case) -> SubscriptionHost:
        if case.flow == "intent":
            provider, options = settings.PAYMENT_VARIANTS["stripe"]
            settings.PAYMENT_VARIANTS = settings.PAYMENT_VARIANTS | {
                "stripe": (provider, {**options, "flow": "intent"})
            }
        host = SubscriptionHost(stripe_server, request.getfixturevalue("user"), request.getfixturevalue("api_client"))
        case.begin(host)
        return host

    return make


def made(fake: FakeStripe) -> Counter[str]:
    """Return how many objects of each kind Stripe holds; what it makes of a change itself is none of ours."""
    return Counter({kind: sum(not obj.get("proration") for obj in fake.all(kind)) for kind in KINDS})


def sent(fake: FakeStripe, case: Case) -> Counter[str]:
    """Return how often Stripe has sent the events of the case."""
    return Counter({kind: len(fake.events(kind)) for kind in case.events})


def pending() -> int:
    return sum(table.objects.pending().count() for table in TABLES)


def as_much_later(fake: FakeStripe) -> None:
    """Let leases run out and Stripe forget its keys."""
    for table in TABLES:
        table.objects.pending().update(leased_until=timezone.now() - timedelta(seconds=1))
    fake.forget_idempotency_keys()


def test_every_kind_of_operation_is_a_verb_in_the_table() -> None:
    tables = {(PaymentOperation, kind.value) for kind in OperationKind}
    tables |= {(BillingOperation, kind.value) for kind in BillingOperationKind}
    tables |= {(CatalogueOperation, kind.value) for kind in CatalogueOperationKind}
    tables |= {(ConnectOperation, kind.value) for kind in ConnectOperationKind}
    assert set(registered_verbs()) == tables
    assert len(VERBS) == len(set(map(id, VERBS))) == len(tables)


def test_every_verb_is_killed() -> None:
    assert {id(case.verb) for case in CASES} == {id(verb) for verb in VERBS}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("how", ["again", pytest.param("reconcile", marks=[pytest.mark.slow, pytest.mark.database])])
@pytest.mark.parametrize("events", ["never", pytest.param("first", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kill", KILL_POINTS, ids=lambda kill: str(kill.__name__))
@pytest.mark.parametrize("case", CASES, ids=str)
def test_killed(site: Any, monkeypatch: pytest.MonkeyPatch, case: Case, kill: Any, events: str, how: str) -> None:
    host = site(case)
    host.deliver_new()
    before, sent_before = made(host.fake), sent(host.fake, case)
    with monkeypatch.context() as patch:
        kill(patch, case)
        with pytest.raises(Killed):
            case.act(host)
    assert pending() == 1
    if events == "first":
        host.deliver_new()
    as_much_later(host.fake)
    if how == "reconcile":
        call_command("reconcile")
    else:
        case.act(host)
    assert pending() == 0
    assert made(host.fake) - before == Counter(case.makes)
    assert sent(host.fake, case) - sent_before == Counter(case.events)
    operation = case.verb.operations().order_by("pk").last()
    assert (operation.kind, operation.state) == (case.verb.kind, OperationState.SUCCEEDED)
