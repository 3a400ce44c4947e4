"""Whose an account's customer is: what is certain is taken, and everything else is listed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management.base import CommandError

from django_stripe_gateway.adapter import Adapter, CustomerDetails
from django_stripe_gateway.gateways.stripe.stored_reader import StoredObjectReader
from django_stripe_gateway.models import Customer
from django_stripe_gateway.services.imports.customers import import_customers
from django_stripe_gateway.services.imports.owners import Matching
from tests.billing_factories import make_customer
from tests.factories import make_user
from tests.test_imports.running_account import RunningAccount, counts, run_import

pytestmark = pytest.mark.django_db(transaction=True)


def bring(*arguments: str) -> str:
    """Import the customers alone."""
    return run_import("import_account", "--only", "customers", *arguments)


def owners() -> dict[str, Any]:
    """Return the owners by their customers."""
    return {customer.provider_id: customer.owner for customer in Customer.objects.select_related("owner")}


def person(account: RunningAccount, **params: Any) -> str:
    """Return a customer without a card."""
    return account.customer(method="", **{"email": "", **params})


def test_known_row_comes_first(account: RunningAccount, user: Any, other_user: Any) -> None:
    known = person(account, metadata={"owner_id": str(other_user.pk)}, email=other_user.email)
    make_customer(user, provider_id=known)
    assert counts(bring())["customers"] == {"known": 1}
    assert owners() == {known: user}


@pytest.mark.parametrize("email", ["", "nobody@example.org"])
def test_metadata_before_email(account: RunningAccount, other_user: Any, email: str) -> None:
    found = person(account, metadata={"owner_id": str(other_user.pk)}, email=email)
    bring()
    assert owners() == {found: other_user}


@pytest.mark.parametrize("arguments", [(), ("--no-email",)])
def test_metadata_that_the_address_contradicts(
    account: RunningAccount, user: Any, other_user: Any, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    """``owner_id`` may be a name that earlier code has used for something else."""
    other_user.email = "bob@example.org"
    other_user.save()
    found = person(account, metadata={"owner_id": str(user.pk)}, email=other_user.email.upper())
    printed = bring(*arguments)
    assert counts(printed)["customers"] == {"ambiguous": 1}
    assert f"name the owner {user.pk}, and its e-mail address is the owner {other_user.pk}'s" in printed
    assert owners() == {}
    decisions = tmp_path / "decided.csv"
    decisions.write_text(f"{found},{user.pk}", encoding="utf-8")
    bring("--map", str(decisions), *arguments)
    assert owners() == {found: user}


def test_metadata_of_one_of_two_with_the_address(account: RunningAccount, user: Any) -> None:
    make_user(email=user.email)
    found = person(account, metadata={"owner_id": str(user.pk)}, email=user.email)
    bring()
    assert owners() == {found: user}


def test_how_an_owner_was_found_is_said(account: RunningAccount, user: Any, other_user: Any) -> None:
    """Before anything is written, to whoever asks with -v 2."""
    other_user.email = "bob@example.org"
    other_user.save()
    by_metadata = person(account, metadata={"owner_id": str(user.pk)})
    by_email = person(account, email=other_user.email)
    printed = bring("--dry-run", "--verbosity=2")
    assert f"{by_metadata}: new owner {user.pk}, by metadata (owner_id)" in printed
    assert f"{by_email}: new owner {other_user.pk}, by e-mail" in printed


def test_metadata_of_the_host(account: RunningAccount, user: Any) -> None:
    found = person(account, metadata={"user": str(user.pk)})
    assert counts(bring())["customers"] == {"unmatched": 1}
    bring("--owner-metadata", "user")
    assert owners() == {found: user}


def test_metadata_that_differ(account: RunningAccount, user: Any, other_user: Any) -> None:
    person(account, metadata={"user": str(user.pk), "owner_id": str(other_user.pk)})
    printed = bring("--owner-metadata", "user")
    assert counts(printed)["customers"] == {"ambiguous": 1}
    assert owners() == {}


@pytest.mark.parametrize("value", ["999999", "ada", "99999999999999999999999"])
def test_metadata_of_nobody(account: RunningAccount, user: Any, value: str) -> None:
    """The address may be somebody else's by now."""
    found = person(account, metadata={"owner_id": value}, email=user.email)
    printed = bring()
    assert counts(printed)["customers"] == {"unmatched": 1}
    assert (
        f"customers: {found}: unmatched its metadata (owner_id) name the owner {value}, who does not exist" in printed
    )
    assert owners() == {}


def test_email_in_any_case(account: RunningAccount, user: Any) -> None:
    found = person(account, email="Ada@Example.com")
    bring()
    assert owners() == {found: user}


def test_email__not_wanted(account: RunningAccount, user: Any) -> None:
    person(account, email=user.email)
    assert counts(bring("--no-email"))["customers"] == {"unmatched": 1}


def test_email_of_two_owners(account: RunningAccount, user: Any) -> None:
    make_user(email=user.email.upper())
    person(account, email=user.email)
    printed = bring()
    assert counts(printed)["customers"] == {"ambiguous": 1}
    assert "2 owners have its e-mail address" in printed
    assert owners() == {}


def test_email_of_two_customers(account: RunningAccount, user: Any, other_user: Any, tmp_path: Path) -> None:
    """Also if somebody has decided whose one of them is."""
    one = person(account, email=user.email)
    person(account, email=user.email)
    decisions = tmp_path / "decided.csv"
    decisions.write_text(f"{one},{other_user.pk}", encoding="utf-8")
    printed = bring("--map", str(decisions))
    assert counts(printed)["customers"] == {"new": 1, "ambiguous": 1}
    assert "2 customers have its e-mail address" in printed
    assert owners() == {one: other_user}


def test_email_of_a_customer_that_cannot_be_read(user: Any) -> None:
    """Which of the two is the owner's nobody knows."""
    found = [{"id": "cus_1", "email": user.email}, {"id": None, "email": user.email}, {"id": None, "email": ""}]
    reader = StoredObjectReader(lambda kind: iter([found]), livemode=False)
    outcomes = [(one.object_id, one.outcome.value) for one in import_customers(reader, "stripe", Matching())]
    assert outcomes == [("", "failed"), ("", "failed"), ("cus_1", "ambiguous")]
    assert owners() == {}


@pytest.mark.parametrize(
    ("of_owner", "of_customer", "outcome"),
    [
        ("Ada@Example.ORG", "  ada@example.org ", "new"),
        ("x@bücher.de", "X@bücher.DE", "new"),
        # Another domain, which somebody else has registered.
        ("x@faß.de", "x@fass.de", "ambiguous"),
        ("x@fass.de", "x@faß.de", "ambiguous"),
        # The sign of Kelvin is folded to the letter.
        ("kim@example.org", "\u212aim@example.org", "ambiguous"),
        # Composed, and a letter with its accent behind it.
        ("ren\u00e9@example.org", "rene\u0301@example.org", "ambiguous"),
        ("René@example.org", "RENÉ@example.org", "ambiguous"),
        ("ada@example.org", "ada\u200b@example.org", "ambiguous"),
        ("ada@example.org", "\uff41da@example.org", "ambiguous"),
        ("x@bücher.de", "x@xn--bcher-kva.de", "ambiguous"),
        ("ada@example.org", "ada+shop@example.org", "unmatched"),
        ("ada.love@example.org", "adalove@example.org", "unmatched"),
        ("ada@example.org", "ada@example.org.evil.example", "unmatched"),
        ("ada@example.org", "\u0430da@example.org", "unmatched"),
        ("", "  ", "unmatched"),
        ("\u200b", "\u200b", "unmatched"),
    ],
)
def test_addresses_that_look_alike(
    account: RunningAccount, user: Any, of_owner: str, of_customer: str, outcome: str
) -> None:
    user.email = of_owner
    user.save()
    found = person(account)
    with account.fake.state.acting():
        _scope, obj = account.fake.state.locate(found)
        obj["email"] = of_customer
    assert counts(bring())["customers"] == {outcome: 1}
    assert owners() == ({found: user} if outcome == "new" else {})


def test_owners_whose_addresses_look_alike(account: RunningAccount, user: Any, other_user: Any) -> None:
    for owner, email in ((user, "x@fass.de"), (other_user, "x@faß.de")):
        owner.email = email
        owner.save()
    person(account, email="x@fass.de")
    printed = bring()
    assert counts(printed)["customers"] == {"ambiguous": 1}
    assert "2 owners have its e-mail address, or one that looks like it" in printed


def test_two_customers_of_one_owner(account: RunningAccount, user: Any) -> None:
    for _number in range(2):
        person(account, metadata={"owner_id": str(user.pk)})
    assert counts(bring())["customers"] == {"ambiguous": 2}


def test_owner_with_another_customer(account: RunningAccount, user: Any) -> None:
    make_customer(user, provider_id="cus_ours")
    person(account, metadata={"owner_id": str(user.pk)})
    printed = bring()
    assert counts(printed)["customers"] == {"ambiguous": 1}
    assert f"its owner {user.pk} has the customer cus_ours" in printed
    assert owners() == {"cus_ours": user}


def test_owner_whose_customer_was_deleted(account: RunningAccount, user: Any) -> None:
    row = make_customer(user, provider_id="cus_gone", deleted="2026-01-01T00:00Z")
    found = person(account, metadata={"owner_id": str(user.pk)})
    bring()
    row.refresh_from_db()
    assert (row.provider_id, row.former_ids, row.deleted) == (found, ["cus_gone"], None)


def test_row_without_a_customer_yet(account: RunningAccount, user: Any) -> None:
    make_customer(user, provider_id=None)
    found = person(account, email=user.email)
    bring()
    assert owners() == {found: user}


def test_decided_by_a_file(account: RunningAccount, user: Any, other_user: Any, tmp_path: Path) -> None:
    one, two = (person(account, metadata={"owner_id": str(user.pk)}) for _number in range(2))
    decisions = tmp_path / "decided.csv"
    decisions.write_text(f"{one}, {user.pk}\n\n{two},{other_user.pk}\n", encoding="utf-8")
    assert counts(bring("--map", str(decisions)))["customers"] == {"new": 2}
    assert owners() == {one: user, two: other_user}


@pytest.mark.parametrize("line", ["cus_1", "cus_1,1,2", "cus_1,", "cus_1,1\ncus_1,2"])
def test_file_that_cannot_be_read(account: RunningAccount, tmp_path: Path, line: str) -> None:
    decisions = tmp_path / "decided.csv"
    decisions.write_text(line, encoding="utf-8")
    with pytest.raises(CommandError, match=r"decided.csv, line"):
        bring("--map", str(decisions))


def test_file_that_names_what_is_not_there(account: RunningAccount, user: Any, tmp_path: Path) -> None:
    found = person(account, email=user.email)
    decisions = tmp_path / "decided.csv"
    decisions.write_text(f"cus_gone,{user.pk}\n{found},987654\n", encoding="utf-8")
    printed = bring("--map", str(decisions))
    assert counts(printed)["customers"] == {"unmatched": 2}
    assert "cus_gone: unmatched the file names it" in printed
    assert owners() == {}


class BillingAddress(Adapter):
    def customer_details(self, owner: Any) -> CustomerDetails:
        return {"name": "", "email": f"{owner.username}@billing.example"}


def test_address_that_the_host_gives(account: RunningAccount, user: Any, settings: Any) -> None:
    settings.STRIPE_GATEWAY_ADAPTER = f"{__name__}.BillingAddress"
    found = person(account, email=f"{user.username}@billing.example")
    person(account, email=user.email)
    assert counts(bring())["customers"] == {"new": 1, "unmatched": 1}
    assert owners() == {found: user}
