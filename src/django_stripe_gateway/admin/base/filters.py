"""Filters for the questions that staff ask."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.models import PaymentGatewayConfig


class GatewayFilter(admin.SimpleListFilter):
    """Payments by gateway; the names come from the gateways' own table, not from every payment."""

    title = _("gateway")
    parameter_name = "gateway"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the gateways' names."""
        return [(name, name) for name in PaymentGatewayConfig.objects.values_list("name", flat=True)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the payments of the gateway."""
        return queryset.filter(gateway=self.value()) if self.value() else queryset


class QuestionFilter(admin.SimpleListFilter):
    """Rows by what can or should be done about them: methods of their queryset."""

    #: Method of the queryset → the question it answers.
    questions: ClassVar[dict[str, Any]]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the questions; none if the host's own manager does not know them."""
        known = model_admin.model._default_manager.all()
        return [(name, label) for name, label in self.questions.items() if hasattr(known, name)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the rows that answer the question."""
        question = self.value()
        if question not in self.questions or not hasattr(queryset, question):
            return queryset
        answer: QuerySet[Any] = getattr(queryset, question)()
        return answer


class MoneyFilter(QuestionFilter):
    """Payments by where their money is."""

    title = _("money")
    parameter_name = "money"
    questions = {
        "refundable": _("Can be refunded"),
        "partially_refunded": _("Refunded in part"),
        "stale": _("Waiting for more than a day"),
        "with_pending_operation": _("The provider's answer is missing"),
        "with_unexpected": _("Unexpected money waits for a decision"),
    }


class SubscriptionFilter(QuestionFilter):
    """Subscriptions by what they give and need."""

    title = _("state")
    parameter_name = "state"
    questions = {
        "valid": _("Gives what its plan promises"),
        "on_trial": _("In its trial"),
        "on_grace_period": _("Cancelled, and still running"),
        "has_incomplete_payment": _("The customer has to pay"),
        "paused": _("Paused"),
        "orphaned": _("Runs on without an owner"),
    }


class AbandonedFilter(admin.SimpleListFilter):
    """Operations that nobody is working on."""

    title = _("abandoned")
    parameter_name = "abandoned"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the one question."""
        return [("yes", _("Pending, and nobody is working on it"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Return the abandoned operations."""
        return queryset.abandoned() if self.value() == "yes" else queryset  # type: ignore[attr-defined]


class OwnerlessFilter(QuestionFilter):
    """Customers whose owner is gone."""

    title = _("owner")
    parameter_name = "ownerless"
    questions = {
        "orphaned": _("Gone, and charged on"),
        "without_owner": _("Gone"),
    }
