"""The warning that somebody is charged on whose owner is gone."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_stripe_gateway.models import Customer


class OwnerlessWarningMixin:
    """Warn on the page of a row whose customer is charged on without an owner."""

    def customer_of(self, obj: Any) -> Customer:
        """Return whose row it is."""
        return obj if isinstance(obj, Customer) else obj.customer

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> Any:
        """Show the warning above the page."""
        obj = context.get("original")
        if obj is not None and request.method == "GET":
            customer = self.customer_of(obj)
            if Customer.objects.using(customer._state.db).orphaned().filter(pk=customer.pk).exists():
                text = _("The owner is gone, and the customer is charged on. End that with the command close_account.")
                messages.warning(request, text)
        return super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]
