"""Owners whose details may have changed: noted when they are saved, sent to the provider later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db.models.signals import post_save
from django.utils import timezone

from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.batches import in_batches
from django_stripe_gateway.services.transactions import payments_database

# What Django itself saves at each login.
UNRELATED = frozenset({"last_login"})


def follow_owners() -> None:
    """Notice when an owner is saved."""
    post_save.connect(note_change, apps.get_model(gateway_settings.owner_model), dispatch_uid="stripe_gateway_owner")


def note_change(
    sender: type[Any], instance: Any, created: bool, raw: bool = False, update_fields: Any = None, **kwargs: Any
) -> None:
    """Note on the owner's customers that details may be others; costs one statement, and calls nobody."""
    if created or raw or (update_fields is not None and UNRELATED.issuperset(update_fields)):
        return
    # Also on those that are being made at the provider, with the details from before.
    rows = Customer.objects.using(payments_database()).filter(owner_id=instance.pk)
    rows.update(details_changed=timezone.now())


def changed_customers() -> Iterator[Customer]:
    """Return the customers whose details have to be compared with what the provider has."""
    rows = Customer.objects.using(payments_database()).with_changed_details().select_related("owner")
    return in_batches(rows)
