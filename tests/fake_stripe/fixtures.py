"""Pytest fixtures; name this module in `pytest_plugins`, or import the fixtures."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fake_stripe.server import FakeStripe


@pytest.fixture
def fake_stripe() -> Iterator[FakeStripe]:
    """Run a fake Stripe on a free port; afterwards nothing asked of it may have violated Stripe's API description."""
    with FakeStripe() as fake:
        yield fake
        assert_no_violations(fake)


def assert_no_violations(fake: FakeStripe) -> None:
    """Fail if a request was not what Stripe's API description allows."""
    refused = fake.violations
    assert refused == [], f"Requests that Stripe would refuse (take_violations() if that is meant): {refused}"
