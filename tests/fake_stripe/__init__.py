"""A small fake of Stripe's API, spoken to over HTTP by the real SDK. Start at `FakeStripe` in `server`."""

from tests.fake_stripe.records import RequestRecord, Violation
from tests.fake_stripe.server import FakeStripe

__all__ = ["FakeStripe", "RequestRecord", "Violation"]
