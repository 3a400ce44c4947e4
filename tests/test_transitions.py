"""The transition tables: closed, one-way, and the same end whatever the order of events."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import payments
import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_stripe_gateway import choices
from django_stripe_gateway.choices import PaymentStatus as S
from django_stripe_gateway.choices import RefundStatus as R
from django_stripe_gateway.transitions import (
    ALLOWED_REFUND_TRANSITIONS,
    ALLOWED_TRANSITIONS,
    CANCELLABLE,
    PAID,
    PAYABLE,
    REOPENABLE,
    can_transition,
    can_transition_refund,
)

# What an event can say; "refunded" is never said by one, it is the sum of the refunds.
CHANGES = sorted(set(S.values) - {S.REFUNDED})


def settle(start: str, targets: Sequence[str], *, refunded: bool = False) -> str:
    """Return the status after the targets have come in this order, with the refunds looked at after each."""
    status = start
    for target in targets:
        if can_transition(status, target):
            status = target
        if refunded and status == S.CONFIRMED and can_transition(status, S.REFUNDED):
            status = S.REFUNDED
    return status


def test_statuses__are_those_of_django_payments() -> None:
    assert set(S.values) == {value for value, _label in payments.PaymentStatus.CHOICES}
    assert [str(label) for label in S.labels] == [str(label) for _value, label in payments.PaymentStatus.CHOICES]
    assert set(choices.FraudStatus.values) == {value for value, _label in payments.FraudStatus.CHOICES}
    for name in S.names:
        assert getattr(payments.PaymentStatus, name) == S[name].value
    for name in choices.FraudStatus.names:
        assert getattr(payments.FraudStatus, name) == choices.FraudStatus[name].value


@pytest.mark.parametrize(
    ("table", "statuses"), [(ALLOWED_TRANSITIONS, S.values), (ALLOWED_REFUND_TRANSITIONS, R.values)]
)
def test_tables__are_closed(table: dict[str, frozenset[str]], statuses: list[str]) -> None:
    assert set(table) == set(statuses)
    assert set().union(*table.values()) <= set(statuses)
    assert all(source not in targets for source, targets in table.items())


def test_unknown_statuses__have_no_edges() -> None:
    for status in S.values:
        assert not can_transition("", status)
        assert not can_transition("unknown", status, refund_reversed=True, new_attempt=True)
        assert not can_transition(status, "unknown", refund_reversed=True, new_attempt=True)
    assert not can_transition_refund("", R.SUCCEEDED)


def test_every_status__is_reached_from_waiting() -> None:
    reached = {S.WAITING.value}
    for _ in S.values:
        reached |= {str(target) for source in reached for target in ALLOWED_TRANSITIONS[S(source)]}
    assert reached == set(S.values)


def test_payment_table__has_no_way_back() -> None:
    def reachable(status: str) -> set[str]:
        seen: set[str] = set()
        todo = [status]
        while todo:
            for target in ALLOWED_TRANSITIONS[S(todo.pop())]:
                if target not in seen:
                    seen.add(target)
                    todo.append(target)
        return seen

    for status in S.values:
        assert status not in reachable(status)


def test_money_taken__is_not_forgotten() -> None:
    assert ALLOWED_TRANSITIONS[S.CONFIRMED] == {S.REFUNDED}
    assert all(can_transition(status, S.CONFIRMED) for status in S.values if status not in PAID)


def test_refunded__goes_back_only_when_a_refund_is_reversed() -> None:
    for status in S.values:
        assert not can_transition(S.REFUNDED, status)
        assert not can_transition(S.REFUNDED, status, new_attempt=True)
        assert can_transition(S.REFUNDED, status, refund_reversed=True) == (status == S.CONFIRMED)


def test_new_attempt__reopens_only_what_failed() -> None:
    for status in S.values:
        allowed = can_transition(status, S.WAITING, new_attempt=True)
        assert allowed == (status in REOPENABLE)
        assert not can_transition(status, S.WAITING)


def test_groups() -> None:
    assert frozenset({S.WAITING, S.INPUT, S.ERROR}) == PAYABLE
    assert PAYABLE | {S.PREAUTH} == CANCELLABLE
    assert not PAID & CANCELLABLE
    assert all(can_transition(status, S.CANCELLED) for status in CANCELLABLE)
    assert all(can_transition(status, S.CONFIRMED) for status in PAYABLE)


@pytest.mark.parametrize("refunded", [False, True])
@pytest.mark.parametrize("size", [2, 3])
def test_order_of_changes__every_permutation(size: int, refunded: bool) -> None:
    for start in S.values:
        for changes in itertools.combinations(CHANGES, size):
            ends = {settle(start, order, refunded=refunded) for order in itertools.permutations(changes)}
            assert len(ends) == 1, (start, changes, ends)


@given(st.sampled_from(S.values), st.lists(st.sampled_from(CHANGES), max_size=8), st.booleans(), st.data())
def test_order_and_repetition__do_not_matter(
    start: str, changes: list[str], refunded: bool, data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(changes))
    repeated = data.draw(st.permutations([*changes, *changes]))
    end = settle(start, changes, refunded=refunded)
    assert settle(start, shuffled, refunded=refunded) == end
    assert settle(start, repeated, refunded=refunded) == end


@given(st.lists(st.sampled_from(R.values), max_size=6), st.data())
def test_refunds__order_does_not_matter(changes: list[str], data: st.DataObject) -> None:
    def end(targets: Sequence[str]) -> str:
        status: str = R.PENDING
        for target in targets:
            if can_transition_refund(status, target):
                status = target
        return status

    assert end(data.draw(st.permutations(changes))) == end(changes)


def test_refunds__money_that_came_back_is_final() -> None:
    assert can_transition_refund(R.SUCCEEDED, R.FAILED)
    assert not any(can_transition_refund(R.FAILED, status) for status in R.values)
    assert not can_transition_refund(R.CANCELED, R.SUCCEEDED)
