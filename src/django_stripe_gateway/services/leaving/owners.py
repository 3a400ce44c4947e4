"""What becomes of what an owner has when the owner is deleted: the host's choice, ``STRIPE_GATEWAY_DELETED_OWNERS``.

Whatever deletes owners through Django comes by here: an instance, a queryset, the admin, a cascade. A statement past
Django does not; whoever pays on without an owner is named by ``reconcile``, the health check and the admin.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db.models import ProtectedError
from django.db.models.signals import pre_delete

from django_stripe_gateway.choices import LogSource
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import Customer, Subscription
from django_stripe_gateway.services.origins import Origin
from django_stripe_gateway.services.subscriptions.abandon import end_after_commit
from django_stripe_gateway.services.transactions import payments_database
from django_stripe_gateway.services.usage.meters.gather import gather_meter_events

ACTOR = "deleted_owner"


def guard_owners() -> None:
    """Notice when an owner is deleted, under whichever of its model's names."""
    owner = apps.get_model(gateway_settings.owner_model)
    for model in apps.get_models(include_auto_created=True):
        if model._meta.concrete_model is owner._meta.concrete_model:
            pre_delete.connect(settle_deletion, model, dispatch_uid=f"stripe_gateway_deletion_{model._meta.label}")


def settle_deletion(sender: type[Any], instance: Any, **kwargs: Any) -> None:
    """Refuse the deletion of an owner, or see to it that what runs is ended once the deletion is committed.

    Nobody is asked over the network: what is to be ended is stored in the deletion's own transaction.

    Raises:
        ProtectedError: something still runs, and the settings say that its owner stays.
    """
    rule = gateway_settings.deleted_owners
    if rule == "keep":
        return
    rows = Customer.objects.using(payments_database()).filter(owner_id=instance.pk)
    # Their lock: nobody begins to subscribe until the deletion is over.
    customers = [customer.pk for customer in rows.select_for_update().order_by("pk")]
    if not customers:
        return
    if rule == "refuse":
        if held := set(rows.charged()):
            raise ProtectedError(
                f"{sender._meta.verbose_name} {instance.pk} cannot be deleted: they are still charged, or may be. End "
                "that with close_account (a function of django_stripe_gateway.subscriptions, and a command) first. "
                "What is of another account, or unknown at its provider, is given up in the admin. "
                "STRIPE_GATEWAY_DELETED_OWNERS says what a deletion does.",
                set(held),
            )
        return
    # What was used names its owner, who is gone when it is billed; nothing is sent by that.
    gather_meter_events(owner_id=instance.pk)
    subscriptions = (
        Subscription.objects.using(payments_database()).filter(customer__in=customers).reachable().not_ended()
    )
    for subscription in subscriptions.order_by("pk"):
        end_after_commit(subscription, Origin(source=LogSource.SYSTEM, actor=ACTOR))
