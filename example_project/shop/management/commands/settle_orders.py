"""Bring orders to where their payments are, for signals that were lost."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from shop.models import Order
from shop.standing import settle


class Command(BaseCommand):
    """Go through all orders; to be run from cron beside ``reconcile``."""

    help = "Bring each order's status to where its payments are."

    def handle(self, *args: Any, **options: Any) -> None:
        """Say what has changed."""
        for order in Order.objects.order_by("pk").iterator():
            before = order.status
            found = settle(order)
            if found.status != before:
                self.stdout.write(f"{order}: {found.sentence}")
