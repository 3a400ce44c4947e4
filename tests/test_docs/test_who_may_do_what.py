"""The one table of who may do what: customers, staff in the API and in the admin, and code alone."""

from __future__ import annotations

import inspect
import re

from django.core.management import get_commands

from django_stripe_gateway import payments, subscriptions
from django_stripe_gateway.api.access import FOR_ONESELF, PERMISSIONS
from django_stripe_gateway.conf.api import ACTIONS, SELLERS_ACTIONS
from tests.test_docs.blocks import DOCS
from tests.test_docs.tables import codes, rows, sections

ADMIN_PERMISSIONS = tuple(
    "capture_payment refund_payment refund_invoice issue_credit_note cancel_payment change_terms give_up".split()
)


def test_who_may_do_what() -> None:
    table = rows(sections(DOCS / "explanation" / "security.md")["Who may do what"])
    beyond = [row for row in table if row[1].startswith("only ")]
    documented = {codes(row[0])[0]: row for row in table if row not in beyond}
    assert documented.keys() == set(ACTIONS)
    for action, row in documented.items():
        assert row[2].startswith("no" if action in SELLERS_ACTIONS else "yes"), action
        needed = PERMISSIONS.get(action, "")
        is_own = action in FOR_ONESELF or not needed
        assert row[3].startswith("for themselves" if is_own else f"`{needed.partition('.')[2]}`"), action
        assert row[4] == "no" or row[4].startswith(f"`{needed.partition('.')[2]}`"), action
        assert row[4] == "no" or codes(row[4])[0] in ADMIN_PERMISSIONS, action
    assert {row[1].partition(":")[0] for row in beyond} == {"only the admin", "only code", "only code and the shell"}
    for row in beyond:
        assert row[2:4] == ["no", "no"], row
        if row[1].startswith("only code"):
            assert row[4] == "no", row
            function, parameter = re.fullmatch(r"(\w+)\((\w+)=…\)", codes(row[1])[0]).groups()  # type: ignore[union-attr]
            commands = [name.removeprefix("manage.py ") for name in codes(row[1])[1:]]
            # What has a command of its name is not only code.
            assert commands == [name for name in get_commands() if name == function], row
            assert ("and the shell" in row[1]) is bool(commands), row
            found = getattr(subscriptions, function, None) or getattr(payments, function)
            assert parameter in inspect.signature(found).parameters, row
