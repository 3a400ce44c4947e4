"""What all verbs of the catalogue share: the plan's row is their lock, so that it has one pending operation at most."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

from django_stripe_gateway.exceptions import OperationInProgress
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import CatalogueOperation, Plan, PlanPricing
from django_stripe_gateway.services.catalogue.rows import lock_plan, price_rows
from django_stripe_gateway.services.operations.engine import perform
from django_stripe_gateway.services.operations.verbs import Claim, Request, Verb
from django_stripe_gateway.services.transactions import payments_database

A = TypeVar("A")
PlanClaim = Claim[Plan, CatalogueOperation]


class CatalogueVerb(Verb[Plan, CatalogueOperation, A]):
    """A verb about a plan in one account, asked for by a push that has read what is there."""

    noun = "plan"
    subject_field = "plan"
    model = CatalogueOperation

    def lock(self, subject_pk: Any) -> Plan:
        """Return the plan, its row locked."""
        return lock_plan(subject_pk)

    def gateway(self, claim: PlanClaim) -> BillingGateway:
        """Return the gateway of the account that sells the plan."""
        return get_billing_gateway(claim.operation.variant)

    def new_operation(self, subject: Plan, request: Request) -> CatalogueOperation:
        """Return the operation, with the account and the price that it is about."""
        operation = super().new_operation(subject, request)
        operation.variant, operation.pricing_id = operation.params.pop("variant"), operation.params.pop("pricing_pk")
        return operation

    def is_met_by(self, request: Request, operation: CatalogueOperation) -> bool:
        """Return false: a push settles what is pending before it reads, so that this came in between."""
        return False

    def check(self, claim: PlanClaim) -> None:
        """Let a push go on only while what it has read is still so.

        Raises:
            OperationInProgress: another operation came since then, or the rows were edited; the next push reads anew.
        """
        newest = last_operation(claim.subject.pk)
        if (newest.pk if newest else None) != claim.params["after_pk"] or not self.is_wanted(claim):
            raise in_other_hands(claim.subject)
        self.complete(claim)

    def complete(self, claim: PlanClaim) -> None:
        """Keep in the operation's ``params`` what a repeat shall send."""

    @abstractmethod
    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether our rows, as they are now, still ask for it."""

    def find_earlier(self, claim: PlanClaim) -> A | None:
        """Return nothing: what is set once more makes nothing anew."""
        return None

    def apply(self, claim: PlanClaim, answer: A) -> str:
        """Return the id of what was set; there is nothing to write here."""
        object_id: str = claim.params["price_id"] or claim.params["product_id"]
        return object_id

    def supersede(self, claim: PlanClaim) -> None:
        """Carry it out; what is asked for is then compared with what there is."""
        perform(claim)


def last_operation(plan_pk: int) -> CatalogueOperation | None:
    """Return the newest operation of a plan; all before it are settled."""
    return CatalogueOperation.objects.using(payments_database()).filter(plan=plan_pk).order_by("pk").last()


def claimed_row(claim: PlanClaim) -> PlanPricing:
    """Return the price that an operation is about, as it is now."""
    assert claim.operation.pricing_id is not None  # noqa: S101 (the operation is about one)
    return price_rows().get(pk=claim.operation.pricing_id)


def in_other_hands(plan: Plan) -> OperationInProgress:
    """Return the error of a push that another process, or an edit, has overtaken."""
    return OperationInProgress(f"Another process has taken over the plan {plan.slug}.", retry_after=1)
