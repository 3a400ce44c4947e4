"""Count what one request walks through: functions and files of the package, SQL statements, transactions.

    python -m benchmarks.walk

Counts do not depend on the machine. Each request is made twice through Django's test client against the fake Stripe on
the loopback; the second one is counted, so that caches are warm. Comprehensions and lambdas belong to their functions.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
os.environ.setdefault("TEST_DATABASE_URL", "sqlite://:memory:")

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection  # noqa: E402
from django.test.runner import DiscoverRunner  # noqa: E402
from django.test.utils import CaptureQueriesContext, override_settings  # noqa: E402
from rest_framework.test import APIClient  # noqa: E402

import django_stripe_gateway  # noqa: E402
from django_stripe_gateway import usage  # noqa: E402
from django_stripe_gateway.models import PlanLimit, PlanPricing  # noqa: E402
from django_stripe_gateway.testing import deliver_event  # noqa: E402
from tests.fake_stripe.server import FakeStripe  # noqa: E402
from tests.test_billing.host import SubscriptionHost  # noqa: E402

SOURCE = str(Path(django_stripe_gateway.__file__).parent)
# The event of a webhook is made and signed by what hosts use in their tests.
TESTING = f"{SOURCE}/testing/"
CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK")
API = "/api/v1/"


class Walk:
    """What was called and asked of the database while it was entered."""

    def __init__(self) -> None:
        self.functions: set[tuple[str, str, int]] = set()
        self.queries = CaptureQueriesContext(connection)

    def __enter__(self) -> Walk:
        self.queries.__enter__()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *exc_info: Any) -> None:
        sys.setprofile(None)
        self.queries.__exit__(*exc_info)

    def _note(self, frame: Any, event: str, argument: Any) -> None:
        code = frame.f_code
        is_ours = code.co_filename.startswith(SOURCE) and not code.co_filename.startswith(TESTING)
        if event == "call" and is_ours and not code.co_name.startswith("<"):
            self.functions.add((code.co_filename, code.co_name, code.co_firstlineno))

    def row(self, name: str) -> str:
        """Return the counts as a line of the table."""
        asked = [query["sql"] for query in self.queries.captured_queries]
        statements = [sql for sql in asked if not sql.startswith(CONTROL)]
        files = {function[0] for function in self.functions}
        counts = (len(self.functions), len(files), len(statements), asked.count("COMMIT"))
        return f"{name:<32}" + "".join(f"{count:>14}" for count in counts)


def walk(name: str, request: Callable[[], Any]) -> None:
    """Count a request, made for the second time, and print its line."""
    request()
    with Walk() as counted:
        request()
    print(counted.row(name))


def answered(response: Any, status: int) -> Any:
    """Return the body of a response that has to be right."""
    assert response.status_code == status, response.content
    return response.json()


class Site:
    """A customer of a site that sells through the fake Stripe."""

    def __init__(self, fake: FakeStripe) -> None:
        self.fake = fake
        self.number = 0
        self.user = get_user_model().objects.create_user("ada", email="ada@example.com")
        self.client = APIClient()
        self.client.force_authenticate(self.user)
        self.host = SubscriptionHost(fake, self.user, self.client)
        PlanLimit.objects.create(plan=self.host.basic.plan, metric="minutes", limit=1000, period="month")

    def create(self) -> Any:
        """Create a payment with a page to pay on."""
        body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD"}
        return answered(self.client.post(f"{API}payments/create_payment/", body, format="json"), 201)

    def confirm(self, event: Any) -> None:
        """Deliver the event that confirms a payment."""
        answered(deliver_event(self.client, event, secret="whsec_test"), 200)

    def paid(self) -> tuple[Any, Any]:
        """Return a payment's id, and the event that says that its customer has paid."""
        payment_id = self.create()["payment_id"]
        session = self.fake.all("checkout.session")[-1]
        return payment_id, self.fake.complete_checkout(session["id"])[-1]

    def refund(self, payment_id: Any) -> None:
        """Refund a part of a payment."""
        self.number += 1
        body = {"amount": str(Decimal("1.00"))}
        answered(self.client.post(f"{API}payments/{payment_id}/refund_payment/", body, format="json"), 200)

    def subscribe(self, pricing: PlanPricing, user: Any = None) -> None:
        """Subscribe the customer, or another one."""
        client = self.client
        if user is not None:
            client = APIClient()
            client.force_authenticate(user)
        body = {"plan_id": pricing.plan_id}
        answered(client.post(f"{API}subscriptions/subscribe/", body, format="json"), 201)


def main() -> None:
    """Count each request and print the table."""
    warnings.simplefilter("ignore")
    runner = DiscoverRunner(verbosity=0)
    databases = runner.setup_databases()
    print(f"{'request':<32}{'functions':>14}{'files':>14}{'statements':>14}{'transactions':>14}")
    try:
        with FakeStripe() as fake:
            fake.accept_any_key()
            key = settings.STRIPE_GATEWAY_API_KEY or "sk_test_fake"
            with override_settings(STRIPE_GATEWAY_API_BASE=fake.url, STRIPE_GATEWAY_API_KEY=key):
                measure(Site(fake))
    finally:
        runner.teardown_databases(databases)


def measure(site: Site) -> None:
    """Make the requests."""
    walk("create, production", site.create)
    events = [site.paid() for _twice in range(2)]
    waiting = iter(events)
    walk("webhook that confirms", lambda: site.confirm(next(waiting)[1]))
    walk("refund", lambda: site.refund(events[0][0]))
    users = iter([get_user_model().objects.create_user(name, email=f"{name}@example.com") for name in ("bob", "eve")])
    walk("subscribe, new customer", lambda: site.subscribe(site.host.basic, next(users)))
    plans = iter([site.host.basic, site.host.premium])
    walk("subscribe, known customer", lambda: site.subscribe(next(plans)))
    for subscription in site.fake.all("subscription"):
        site.fake.customer_pays(subscription["id"], "pm_card_visa")
    site.host.deliver_new()
    walk("usage.consume", lambda: usage.consume(site.user, "minutes", 1))


if __name__ == "__main__":
    main()
