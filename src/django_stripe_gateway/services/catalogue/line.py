"""What all verbs of the catalogue share.

The plan's row is their lock, so that it has one pending operation at most in each account.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, TypeVar

from django_stripe_gateway.adapter import CallKind
from django_stripe_gateway.choices import CatalogueOperationKind as Kind
from django_stripe_gateway.exceptions import OperationInProgress
from django_stripe_gateway.gateways.billing import BillingGateway
from django_stripe_gateway.gateways.registry import get_billing_gateway
from django_stripe_gateway.models import CatalogueOperation, Plan, PlanPricing
from django_stripe_gateway.models.operations import OperationQuerySet
from django_stripe_gateway.services.catalogue.rows import lock_plan, price_rows
from django_stripe_gateway.services.further_params import NOTHING, FurtherParams, ask_host
from django_stripe_gateway.services.operations.engine import carry_on
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

    def verify_account(self, subject: Plan) -> None:
        """Let a plan be sold in any account: a push looks at the rows of the one that is configured."""

    def gateway(self, claim: PlanClaim) -> BillingGateway:
        """Return the gateway of the account that sells the plan."""
        return get_billing_gateway(claim.operation.variant)

    def rivals(self, subject_pk: Any, request: Request) -> OperationQuerySet[CatalogueOperation]:
        """Return the plan's operations in the account: what is open in another one holds up nothing here."""
        return self.operations(subject_pk).filter(variant=request.params["variant"])

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
        newest = last_operation(claim.subject.pk, claim.operation.variant)
        if (newest.pk if newest else None) != claim.params["after_pk"] or not self.is_wanted(claim):
            raise in_other_hands(claim.subject)
        self.complete(claim)

    def complete(self, claim: PlanClaim) -> None:
        """Keep in the operation's ``params`` what a repeat shall send."""

    @abstractmethod
    def is_wanted(self, claim: PlanClaim) -> bool:
        """Return whether our rows, as they are now, still ask for it."""

    def supersede(self, claim: PlanClaim) -> None:
        """Carry it out; what is asked for is then compared with what there is."""
        carry_on(claim)


class SettingVerb(CatalogueVerb[None]):
    """A verb that sets what there is; set once more, it makes nothing anew."""

    def call(self, claim: PlanClaim) -> None:
        """Set it, unless an edit has overtaken it: that edit's push decides."""
        if self.is_wanted(claim):
            self.set(claim)

    @abstractmethod
    def set(self, claim: PlanClaim) -> None:
        """Set it at the provider."""

    def find_earlier(self, claim: PlanClaim) -> None:
        """Return nothing: it is set once more."""
        return None

    def apply(self, claim: PlanClaim, answer: None) -> str:
        """Return the id of what was set; there is nothing to write here."""
        object_id: str = claim.params["price_id"] or claim.params["product_id"]
        return object_id


def ask_host_to_sell(verb: Verb[Any, Any, Any], plan: Plan, row: PlanPricing | None, variant: str) -> FurtherParams:
    """Return what the host adds to the call that makes a product or a price; other calls take nothing."""
    kinds = {Kind.CREATE_PRODUCT: CallKind.PRODUCT, Kind.CREATE_PRICE: CallKind.PRICE}
    if verb.kind not in kinds:
        return NOTHING
    own = ("plan", "pricing")
    return ask_host(kinds[Kind(verb.kind)], get_billing_gateway, variant, own_metadata=own, plan=plan, pricing=row)


def last_operation(plan_pk: int, variant: str) -> CatalogueOperation | None:
    """Return the newest operation of a plan in one account; all before it are settled."""
    rows = CatalogueOperation.objects.using(payments_database()).filter(plan=plan_pk, variant=variant)
    return rows.order_by("pk").last()


def claimed_row(claim: PlanClaim) -> PlanPricing:
    """Return the price that an operation is about, as it is now."""
    assert claim.operation.pricing_id is not None  # noqa: S101 (the operation is about one)
    return price_rows().get(pk=claim.operation.pricing_id)


def in_other_hands(plan: Plan) -> OperationInProgress:
    """Return the error of a push that another process, or an edit, has overtaken."""
    return OperationInProgress(f"Another process has taken over the plan {plan.slug}.", retry_after=1)
