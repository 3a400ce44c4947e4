"""Who may do what in the admin: each action needs the permission with which staff do the same in the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.test import Client
from payments import get_payment_model

from django_stripe_gateway.conf.permissions import PERMISSIONS
from django_stripe_gateway.models import Customer, Invoice, Subscription
from tests.billing_factories import make_customer, make_subscription
from tests.factories import make_payment
from tests.test_admin.pages import own_url, payment_url

pytestmark = pytest.mark.django_db(transaction=True)

ROLES = (
    "change_payment",
    "capture_payment",
    "cancel_payment",
    "refund_payment",
    "refund_invoice",
    "issue_credit_note",
    "change_subscription",
    "change_invoice",
    "change_terms",
    "change_plan",
    "ask_provider",
    "resume_operation",
    "replay_event",
    "give_up",
    "decide_unexpected",
    "send_mail_again",
    "create_invoice",
)
# Model → its actions, each with the permission that it needs.
ACTIONS: Mapping[str, Mapping[str, str]] = {
    "payment": {
        "capture": "capture_payment",
        "refund": "refund_payment",
        "cancel": "cancel_payment",
        "accept_unexpected": "decide_unexpected",
        "refund_unexpected": "decide_unexpected",
        "sync": "ask_provider",
        "fees": "ask_provider",
        "give_up": "give_up",
    },
    "subscription": {
        **dict.fromkeys(("cancel", "end", "refund_rest", "end_trial", "remove_discount"), "change_terms"),
        **dict.fromkeys(("resume", "cancel_change", "unpause"), "change_terms"),
        "sync": "ask_provider",
        "give_up": "give_up",
    },
    "customer": {"invoice": "create_invoice", "item": "create_invoice"},
    "invoice": {"pay": "change_terms", "refund": "refund_invoice", "credit": "issue_credit_note"},
}
LISTS: Mapping[str, Mapping[str, str]] = {
    **{
        f"{kind}operation": {"resume": "resume_operation", "give_up": "give_up"}
        for kind in ("payment", "billing", "catalogue", "connect")
    },
    "webhookevent": {"replay": "replay_event"},
    "mailmessage": {"send_again": "send_mail_again"},
    "connectedaccount": {"sync": "ask_provider"},
    "plan": {"push": "change_plan"},
}
# Nobody is billed by being one of a selection.
PAGES_ONLY = ("customer",)
PAGES = [(model, action) for model, actions in ACTIONS.items() for action in actions]


def make_row(model: str) -> Any:
    """Return a row whose state allows as much as it can."""
    if model == "payment":
        return make_payment()
    customer = make_customer()
    if model == "customer":
        return customer
    subscription = make_subscription(customer)
    if model == "subscription":
        return subscription
    return Invoice.objects.create(customer=subscription.customer, variant="stripe", provider_id="in_1", status="open")


def url(model: str, page: str, *args: Any) -> str:
    return payment_url(page, *args) if model == "payment" else own_url(model, page, *args)


def test_matrix__knows_every_action() -> None:
    models = {"payment": get_payment_model(), "subscription": Subscription, "invoice": Invoice, "customer": Customer}
    for model, actions in ACTIONS.items():
        table = admin.site.get_model_admin(models[model]).action_table  # type: ignore[attr-defined]
        assert {action.name for action in table} == set(actions)
    for name, model_admin in admin.site._registry.items():
        if name not in models.values() and name._meta.app_label == "django_stripe_gateway":
            named = {f"{action}_selected" for action in LISTS.get(str(name._meta.model_name), {})}
            assert named == set(model_admin.actions or ()), name
    permissions = {permission for actions in (*ACTIONS.values(), *LISTS.values()) for permission in actions.values()}
    assert {permission.rpartition(".")[2] for permission in PERMISSIONS.values()} <= permissions <= set(ROLES)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(("model", "action"), PAGES)
def test_page(staff_client: Callable[..., Client], model: str, action: str, role: str) -> None:
    row = make_row(model)
    client = staff_client(f"view_{model}", role)
    may = ACTIONS[model][action] == role
    # Whether or not its state allows it: those who may are asked, or sent back with a sentence.
    assert (client.get(url(model, action, row.pk)).status_code in (200, 302)) is may
    if not may:
        assert client.post(url(model, action, row.pk)).status_code == 403
        page = client.get(url(model, "change", row.pk))
        assert action not in [possible["name"] for possible in page.context["possible_actions"]]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("model", [*ACTIONS, *LISTS])
def test_list(rf: Any, staff_client: Callable[..., Client], model: str, role: str) -> None:
    client = staff_client(f"view_{model}", role)
    assert client.get(url(model, "changelist")).status_code == 200
    request = rf.get("/")
    request.user = get_user_model().objects.get(pk=client.session["_auth_user_id"])
    named = get_payment_model() if model == "payment" else apps.get_model("django_stripe_gateway", model)
    offered = admin.site.get_model_admin(named).get_actions(request)
    needed = {} if model in PAGES_ONLY else {**ACTIONS, **LISTS}[model]
    assert set(offered) == {f"{action}_selected" for action, permission in needed.items() if permission == role}


@pytest.mark.parametrize(("model", "action"), PAGES)
def test_page__shows_nothing_to_whoever_may_not_see_the_object(
    staff_client: Callable[..., Client], model: str, action: str
) -> None:
    row = make_row(model)
    client = staff_client(ACTIONS[model][action])
    assert client.get(url(model, action, row.pk)).status_code == 403
    assert client.post(url(model, action, row.pk)).status_code == 403
