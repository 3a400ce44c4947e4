"""Which owner here an account's customer is: by what is certain, and never by a guess."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError

from django_stripe_gateway.adapter import get_adapter
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.gateways.billing_values import CustomerSnapshot
from django_stripe_gateway.models import Customer
from django_stripe_gateway.models.customers import CustomerQuerySet
from django_stripe_gateway.services.imports.addresses import exact, likeness
from django_stripe_gateway.services.imports.results import Outcome
from django_stripe_gateway.services.subscriptions.details import OWNER_MARK
from django_stripe_gateway.services.transactions import payments_database

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Matching:
    """What may say whose a customer is.

    Args:
        decided: customers' ids → owners' keys, as somebody has decided.
        decided_by: who has, for people.
        metadata: a further key of the customers' metadata that holds the owner's key.
        by_email: whether an e-mail address that is unique on both sides says it.
    """

    decided: Mapping[str, str] = field(default_factory=dict)
    decided_by: str = "the file"
    metadata: str = ""
    by_email: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """A customer's owner, or why there is none; ``how`` says by what it was found."""

    customer: CustomerSnapshot
    owner_pk: Any = None
    how: str = ""
    outcome: Outcome = Outcome.UNMATCHED
    reason: str = ""


def match_owners(
    customers: Sequence[CustomerSnapshot], variant: str, matching: Matching, *, further_emails: Sequence[str] = ()
) -> Iterator[Match]:
    """Yield the owner of each customer that an account has, or why none is certain.

    A row that knows the customer comes first, then a decision, the customer's metadata, and its e-mail address.

    Args:
        customers: all of the account: an address counts as unique only among all of them.
        further_emails: addresses of those that cannot be read.
    """
    known = customers_of(variant)
    open_customers = [found for found in customers if found.customer_id not in known]
    counts = Counter(likeness(email) for email in (*(found.email for found in customers), *further_emails))
    marked = {value for found in open_customers for value in _marks(found, matching).values()}
    named = marked | {matching.decided.get(found.customer_id, "") for found in open_customers}
    owners = _existing_owners(named - {""})
    # An address contradicts metadata, even where it is not believed alone.
    asked = [found for found in open_customers if matching.by_email or _marks(found, matching)]
    by_email = owners_by_email({likeness(found.email) for found in asked} - {""})
    matches = [_match(found, matching, owners, counts, by_email) for found in open_customers]
    for found in customers:
        if found.customer_id in known:
            yield Match(found, how="known", outcome=Outcome.KNOWN)
    yield from _one_each(matches, variant)


def _match(
    found: CustomerSnapshot,
    matching: Matching,
    owners: Mapping[str, Any],
    counts: Mapping[str, int],
    by_email: Mapping[str, Mapping[Any, str]],
) -> Match:
    decided = matching.decided.get(found.customer_id)
    if decided is not None:
        if decided not in owners:
            return Match(found, reason=f"{matching.decided_by} names the owner {decided}, who does not exist")
        return Match(found, owners[decided], matching.decided_by, Outcome.NEW)
    marks = _marks(found, matching)
    if len(set(marks.values())) > 1:
        return Match(found, outcome=Outcome.AMBIGUOUS, reason="its metadata name different owners")
    if marks:
        ((key, value), *_same) = marks.items()
        if value not in owners:
            # The address may have passed on to somebody else since.
            return Match(found, reason=f"its metadata ({key}) name the owner {value}, who does not exist")
        others = _owners_of_address(found, by_email)
        if others and owners[value] not in others:
            # Other code may have kept other things under the same name.
            reason = f"its metadata ({key}) name the owner {value}, and its e-mail address is the owner {others[0]}'s"
            return Match(found, outcome=Outcome.AMBIGUOUS, reason=reason)
        return Match(found, owners[value], f"metadata ({key})", Outcome.NEW)
    alike = likeness(found.email)
    if not matching.by_email or not alike:
        return Match(found, reason="nothing on it says whose it is")
    candidates = by_email.get(alike, {})
    if not candidates:
        return Match(found, reason="no owner has its e-mail address")
    same = _owners_of_address(found, by_email)
    if len(candidates) > 1:
        or_alike = ", or one that looks like it" if len(same) < len(candidates) else ""
        reason = f"{len(candidates)} owners have its e-mail address{or_alike}"
        return Match(found, outcome=Outcome.AMBIGUOUS, reason=reason)
    if counts[alike] > 1:
        reason = f"{counts[alike]} customers have its e-mail address"
        return Match(found, outcome=Outcome.AMBIGUOUS, reason=reason)
    if not same:
        (owner_pk,) = candidates
        reason = f"its e-mail address only looks like the owner {owner_pk}'s"
        return Match(found, outcome=Outcome.AMBIGUOUS, reason=reason)
    return Match(found, same[0], "e-mail", Outcome.NEW)


def _owners_of_address(found: CustomerSnapshot, by_email: Mapping[str, Mapping[Any, str]]) -> list[Any]:
    """Return the owners who have the very address of a customer."""
    candidates = by_email.get(likeness(found.email), {})
    return [owner_pk for owner_pk, address in candidates.items() if address == exact(found.email)]


def _one_each(matches: Sequence[Match], variant: str) -> Iterator[Match]:
    """Let nobody have two customers of one account: the second one is somebody's decision."""
    claims = Counter(match.owner_pk for match in matches if match.owner_pk is not None)
    taken = _taken_owners(variant, claims.keys())
    for match in matches:
        if match.owner_pk is None:
            yield match
        elif match.owner_pk in taken:
            reason = f"its owner {match.owner_pk} has the customer {taken[match.owner_pk]}"
            yield Match(match.customer, outcome=Outcome.AMBIGUOUS, reason=reason)
        elif claims[match.owner_pk] > 1:
            reason = f"{claims[match.owner_pk]} customers are of the owner {match.owner_pk}"
            yield Match(match.customer, outcome=Outcome.AMBIGUOUS, reason=reason)
        else:
            yield match


def _marks(found: CustomerSnapshot, matching: Matching) -> dict[str, str]:
    keys = dict.fromkeys(filter(None, (OWNER_MARK, matching.metadata)))
    return {key: found.metadata[key] for key in keys if found.metadata.get(key)}


def customers_of(variant: str) -> dict[str, int]:
    """Return the keys of the customers' rows by the provider's ids, former ones too."""
    found: dict[str, int] = {}
    for pk, provider_id, former_ids in _customers(variant).values_list("pk", "provider_id", "former_ids"):
        found |= dict.fromkeys((str(provider_id), *former_ids), pk)
    return found


def _customers(variant: str) -> CustomerQuerySet:
    rows = Customer.objects.using(payments_database()).filter(variant=variant, provider_id__isnull=False)
    return rows.of_configured_account()


def _taken_owners(variant: str, owner_pks: Collection[Any]) -> dict[Any, str]:
    rows = _customers(variant).filter(deleted=None)
    pks = list(owner_pks)
    found: dict[Any, str] = {}
    for start in range(0, len(pks), CHUNK):
        chunk = rows.filter(owner_id__in=pks[start : start + CHUNK])
        found |= {owner_pk: str(provider_id) for owner_pk, provider_id in chunk.values_list("owner_id", "provider_id")}
    return found


def owner_model() -> Any:
    """Return the model of who is billed."""
    return apps.get_model(gateway_settings.owner_model)


def _existing_owners(values: Collection[str]) -> dict[str, Any]:
    """Return the keys of those owners who exist, by what the provider keeps of them."""
    field_of_key = owner_model()._meta.pk
    keys: dict[str, Any] = {}
    for value in values:
        try:
            keys[value] = field_of_key.clean(value, None)
        except ValidationError:
            continue
    found: set[Any] = set()
    pks = list(keys.values())
    for start in range(0, len(pks), CHUNK):
        found |= set(owner_model()._base_manager.filter(pk__in=pks[start : start + CHUNK]).values_list("pk", flat=True))
    return {value: key for value, key in keys.items() if key in found}


def owners_by_email(wanted: Collection[str]) -> Mapping[str, Mapping[Any, str]]:
    """Return the keys of the owners whose address looks like one of the wanted, each with the very address.

    What the host's adapter says is asked: it is the address that the provider gets to know.

    Args:
        wanted: addresses as ``likeness`` returns them.
    """
    found: dict[str, dict[Any, str]] = defaultdict(dict)
    if not wanted:
        return found
    adapter, last = get_adapter(), None
    while True:
        rows = owner_model()._base_manager.order_by("pk")
        chunk = list((rows if last is None else rows.filter(pk__gt=last))[:CHUNK])
        for owner in chunk:
            details: Mapping[str, Any] = adapter.customer_details(owner)
            email = str(details.get("email") or "")
            alike = likeness(email)
            if alike in wanted:
                found[alike][owner.pk] = exact(email)
        if len(chunk) < CHUNK:
            return found
        last = chunk[-1].pk
