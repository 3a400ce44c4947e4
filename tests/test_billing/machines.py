"""What machines of generated histories share: Stripe's clock as everybody's, and nothing left behind."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from unittest import mock

from django.utils import timezone
from hypothesis.stateful import RuleBasedStateMachine

from tests.fake_stripe import FakeStripe
from tests.test_billing.host import SubscriptionHost
from tests.test_webhooks.test_permutations import forgotten


class HistoryMachine(RuleBasedStateMachine):
    """A history at a host; ``stack`` is closed at its end."""

    host: SubscriptionHost

    def __init__(self) -> None:
        super().__init__()
        self.fake: FakeStripe = self.host.fake
        self.stack = ExitStack()
        self.stack.enter_context(forgotten(self.fake))
        self.stack.callback(setattr, self.fake.state, "ahead", self.fake.state.ahead)
        self.stack.enter_context(mock.patch.object(timezone, "now", self.now))

    def now(self) -> datetime:
        """Return the time by Stripe's clock, which is ours."""
        return datetime.fromtimestamp(self.fake.state.clock() + self.fake.state.ahead, UTC)

    def teardown(self) -> None:
        self.stack.close()
