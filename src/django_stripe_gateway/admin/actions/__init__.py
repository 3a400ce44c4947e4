"""What staff can do to a row: a table of actions, and what the admin makes of it.

An action is a row of one of the tables (``PAYMENT_ACTIONS``, ``INVOICE_ACTIONS``, …), with a form of its own if it
asks for more than a confirmation. Its permission method, its page with the button, and its entry in the list's menu
follow from the row.
"""

from __future__ import annotations

from django_stripe_gateway.admin.actions.pages import ActionPagesMixin
from django_stripe_gateway.admin.actions.selection import SelectedActionsMixin
from django_stripe_gateway.admin.base.atomicity import NonAtomicActionsMixin


class ActionsMixin(NonAtomicActionsMixin, ActionPagesMixin, SelectedActionsMixin):
    """Gives an admin the actions of its ``action_table``, on the object's page and for a selection."""
