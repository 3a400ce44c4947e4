"""What an admin gets from its table of actions."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.checks import ModelAdminChecks
from payments import get_payment_model

from django_stripe_gateway.admin import PaymentAdmin
from django_stripe_gateway.admin.actions.table import Action

PRAISE = Action(
    name="praise",
    label="Praise",
    label_all="Praise selected %(verbose_name_plural)s",
    run=lambda payment, asked: "Praised.",
    is_possible=lambda payment: True,
    question="Praise this payment?",
)


class PraisingAdmin(PaymentAdmin):
    """Has one action more, and a rule of its own for another."""

    action_table = (*PaymentAdmin.action_table, PRAISE)

    def has_refund_permission(self, request: Any, obj: Any = None) -> bool:
        """Refuse."""
        return False


def make_admin() -> PraisingAdmin:
    return PraisingAdmin(get_payment_model(), admin.AdminSite())


def test_row__gives_page_menu_entry_and_permission(rf: Any, admin_user: Any) -> None:
    praising, request = make_admin(), rf.get("/")
    request.user = admin_user
    meta = get_payment_model()._meta
    assert f"{meta.app_label}_{meta.model_name}_praise" in [pattern.name for pattern in praising.get_urls()]
    assert praising.may(request, PRAISE, None)
    offered = list(praising.get_actions(request))
    names = ("capture", "cancel", "accept_unexpected", "refund_unexpected", "sync", "fees", "give_up", "praise")
    assert offered == [f"{name}_selected" for name in names]


def test_row__stays_out_of_the_base_class() -> None:
    assert "praise_selected" not in PaymentAdmin.actions
    assert not hasattr(PaymentAdmin, "has_praise_permission")


def test_table__passes_the_checks_of_the_admin() -> None:
    assert ModelAdminChecks().check(make_admin()) == []
