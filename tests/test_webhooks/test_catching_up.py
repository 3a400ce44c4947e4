"""The command that asks Stripe for events that never arrived."""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.models import WebhookEvent
from django_stripe_gateway.webhooks.inbox.secrets import without_secrets
from django_stripe_gateway.webhooks.registry import handles
from tests.conftest import SignalRecorder
from tests.factories import make_event
from tests.fake_stripe.events import record
from tests.fake_stripe.server import DEFAULT_KEY, FakeStripe
from tests.test_webhooks.conftest import Shop
from tests.test_webhooks.support import deliver, deliver_all, row_of

pytestmark = pytest.mark.django_db(transaction=True)

COMMAND = "sync_webhook_events"


def sync(*arguments: str, **options: Any) -> str:
    """Run the command and return what it prints."""
    out = io.StringIO()
    call_command(COMMAND, *arguments, stdout=out, stderr=out, **options)
    return out.getvalue()


def counts(printed: str) -> list[int]:
    """Return the numbers of the summary: found, new, already stored, failed."""
    return [int(number) for number in printed.splitlines()[-1].split()[1:]]


def happen(fake: FakeStripe, count: int, type: str = "refund.updated", *, ago: timedelta = timedelta(0)) -> list[Any]:
    """Let events of a type happen at Stripe, about nothing that is known here."""
    scope = fake.state.scope("acct_1FakeStripe000000", livemode=False)
    clock = fake.state.clock
    moment = time.time() - ago.total_seconds()
    fake.state.clock = lambda: moment
    with fake.state.acting(deliver=False) as events:
        for number in range(count):
            record(scope, type, {"id": f"re_{number}", "object": "refund", "amount": 1, "currency": "usd"})
    fake.state.clock = clock
    return list(events)


def delivered(fake: FakeStripe, events: list[Any]) -> None:
    """Let Stripe know that it has delivered these events."""
    for event in events:
        fake.state.locate(event["id"])[1]["pending_webhooks"] = 0


def test_missed_payment(shop: Shop, recorded_signals: SignalRecorder) -> None:
    payment = shop.payment()
    shop.fake.complete_checkout(payment.transaction_id)
    # Its charge's, its intent's and its page's.
    assert counts(sync()) == [3, 3, 0, 0]
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount) == ("confirmed", 10)
    assert recorded_signals.names.count("payment_confirmed") == 1
    assert counts(sync()) == [3, 0, 3, 0]
    # The delivery that was under way all the time has no effect any more.
    assert deliver_all(shop.fake.events("checkout.session.completed")) == ["processed"]
    assert recorded_signals.names.count("payment_confirmed") == 1


def test_body__as_a_webhook_brings_it(shop: Shop, generation: str) -> None:
    payment = shop.payment()
    events = shop.fake.complete_checkout(payment.transaction_id)
    sync()
    for event in events:
        if event["type"] in ("checkout.session.completed", "payment_intent.succeeded"):
            row = row_of(event)
            # Which leaves the secrets out.
            assert row.body == without_secrets(json.dumps(event, indent=2))
            assert (row.api_version, row.variant, row.state) == (event["api_version"], "stripe", "processed")
            assert row.headers == {"User-Agent": "sync_webhook_events"}
    assert generation in ("current", "legacy")


def test_body__numbers_and_characters_stay(stripe_server: FakeStripe) -> None:
    scope = stripe_server.state.scope("acct_1FakeStripe000000", livemode=False)
    strange = {"id": "re_1", "object": "refund", "rate": 19.6, "text": "\U0001f4b8 é \0 \ud800", "none": None}
    with stripe_server.state.acting():
        (event := record(scope, "refund.updated", strange))["data"]["object"]["text"] = "\U0001f4b8 é \0"
    sync()
    assert WebhookEvent.objects.get().payload == event


def test_oldest_first__through_all_pages(stripe_server: FakeStripe) -> None:
    """Several pages, of which the newest moves on between the two looks at it."""
    happen(stripe_server, 250)
    seen: list[str] = []

    with stripe_server.state.acting():
        wanted = [event["id"] for event in stripe_server.state.event_log]
    stripe_server.interrupt("GET", "/v1/events", lambda: happen(stripe_server, 30), after=1)
    assert counts(sync()) == [250, 250, 0, 0]
    seen = list(WebhookEvent.objects.order_by("id").values_list("event_id", flat=True))
    assert seen == wanted
    # Three pages at the first look, two of them again.
    assert len([r for r in stripe_server.requests if r.path == "/v1/events"]) == 5
    assert counts(sync())[:3] == [280, 30, 250]


def test_since__the_newest_stored_event(stripe_server: FakeStripe) -> None:
    old = happen(stripe_server, 3, ago=timedelta(days=4))
    stored = happen(stripe_server, 1, ago=timedelta(days=2))
    overlapping = happen(stripe_server, 2, ago=timedelta(days=2, minutes=30))
    new = happen(stripe_server, 2)
    delivered(stripe_server, [*old, *stored, *overlapping, *new])
    deliver_all(stored)
    assert counts(sync()) == [5, 4, 1, 0]
    for event in (*overlapping, *new):
        assert row_of(event).state == "ignored"
    assert not WebhookEvent.objects.filter(event_id__in=[event["id"] for event in old]).exists()


def test_since__events_arrive_again_already(stripe_server: FakeStripe) -> None:
    """The first event after an outage hides the gap; what Stripe could not deliver fills it."""
    missed = happen(stripe_server, 3, ago=timedelta(days=9))
    delivered(stripe_server, happen(stripe_server, 2, ago=timedelta(days=8)))
    again = happen(stripe_server, 1)
    delivered(stripe_server, again)
    deliver_all(again)
    assert counts(sync()) == [4, 3, 1, 0]
    assert [row_of(event).state for event in missed] == ["ignored"] * 3
    assert counts(sync()) == [4, 0, 4, 0]


def test_since__given(stripe_server: FakeStripe) -> None:
    happen(stripe_server, 1, ago=timedelta(days=5))
    happen(stripe_server, 2, ago=timedelta(days=2))
    day = (datetime.now(UTC) - timedelta(days=3)).date().isoformat()
    assert counts(sync("--since", day)) == [2, 2, 0, 0]
    moment = (datetime.now(UTC) - timedelta(days=6)).isoformat()
    assert counts(sync("--since", moment)) == [3, 1, 2, 0]


def test_since__older_than_stripe_keeps(stripe_server: FakeStripe) -> None:
    happen(stripe_server, 1, ago=timedelta(days=29))
    assert "keeps events for 30 days" in (printed := sync("--since", "2020-01-01"))
    assert counts(printed) == [1, 1, 0, 0]


@pytest.mark.parametrize("value", ["yesterday", "2026-13-01", ""])
def test_since__no_date(value: str) -> None:
    with pytest.raises(CommandError, match="invalid moment value"):
        call_command(COMMAND, "--since", value)


def test_since__in_the_future() -> None:
    with pytest.raises(CommandError, match="future"):
        call_command(COMMAND, "--since", "2999-01-01")


@pytest.mark.parametrize("use_tz", [True, False])
def test_since__without_time_zones(stripe_server: FakeStripe, settings: Any, use_tz: bool) -> None:
    settings.USE_TZ = use_tz
    deliver_all(happen(stripe_server, 1))
    assert counts(sync()) == [1, 0, 1, 0]


def test_types(stripe_server: FakeStripe) -> None:
    happen(stripe_server, 1, "refund.created")
    happen(stripe_server, 1, "refund.updated")
    happen(stripe_server, 2, "payout.paid")
    assert counts(sync()) == [2, 2, 0, 0]
    assert counts(sync("--types", "payout.paid", "refund.created", "--since", "2026-01-01")) == [3, 2, 1, 0]
    assert WebhookEvent.objects.filter(state="ignored").count() == 4


@pytest.mark.usefixtures("registry")
def test_types__more_than_stripe_filters_by(stripe_server: FakeStripe) -> None:
    """With one handler of the host there are 21 types."""

    @handles("payout.paid", "v1.billing.meter.error_report_triggered")
    def handle(event: Any) -> None: ...

    happen(stripe_server, 3, "payout.paid")
    happen(stripe_server, 150, "customer.created")
    assert counts(sync()) == [3, 3, 0, 0]


def test_dry_run(stripe_server: FakeStripe) -> None:
    (event, stored) = happen(stripe_server, 2)
    deliver(stored)
    printed = sync("--dry-run")
    assert f"refund.updated {event['id']}: missing" in printed
    assert stored["id"] not in printed
    assert "Nothing was stored" in printed
    assert WebhookEvent.objects.count() == 1


@pytest.mark.usefixtures("registry")
def test_on_its_way_to_a_worker__is_stored_already(stripe_server: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_WEBHOOK_PROCESSING = "task"
    settings.STRIPE_GATEWAY_WEBHOOK_ENQUEUE = "builtins.abs"
    happen(stripe_server, 3)
    assert counts(sync()) == [3, 3, 0, 0]
    assert counts(sync()) == [3, 0, 3, 0]


@pytest.mark.usefixtures("registry")
def test_failing_handler__does_not_stop_the_rest(stripe_server: FakeStripe) -> None:
    failing = ["re_1"]

    @handles("refund.updated")
    def handle(event: Any) -> None:
        if event.object["id"] in failing:
            raise ValueError("no")

    happen(stripe_server, 3)
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 could not be handled"):
        call_command(COMMAND, stdout=out)
    assert counts(out.getvalue()) == [3, 2, 0, 1]
    assert "failed ValueError" in out.getvalue()
    assert sorted(WebhookEvent.objects.values_list("state", flat=True)) == ["failed", "processed", "processed"]
    failing.clear()
    assert counts(sync()) == [3, 1, 2, 0]
    assert not WebhookEvent.objects.failed().exists()


def test_half_formed_event__does_not_stop_the_rest(stripe_server: FakeStripe) -> None:
    broken, _good = happen(stripe_server, 2)
    stripe_server.state.locate(broken["id"])[1]["data"] = {}
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 could not be handled"):
        call_command(COMMAND, stdout=out)
    assert counts(out.getvalue()) == [2, 1, 0, 1]


def test_stripe_fails_halfway__goes_on_where_it_stopped(stripe_server: FakeStripe) -> None:
    happen(stripe_server, 250)
    stripe_server.fault("GET", "/v1/events", kind="error_500_before", after=4)
    with pytest.raises(CommandError, match=r"Stripe failed\. Try again\. Run the command again"):
        call_command(COMMAND)
    assert WebhookEvent.objects.count() == 50
    assert counts(sync()) == [250, 200, 50, 0]


def test_killed__goes_on_where_it_stopped(stripe_server: FakeStripe) -> None:
    """SIGKILL in the middle; the events that are stored are the oldest, and the next run does the rest."""
    happen(stripe_server, 120)
    name = connection.settings_dict["NAME"]
    code = (
        "import django, os, sys; django.setup(); from django.conf import settings; from django.db import connection; "
        f"connection.settings_dict['NAME'] = {str(name)!r}; settings.STRIPE_GATEWAY_API_BASE = {stripe_server.url!r}; "
        "from django_stripe_gateway.webhooks.registry import handles\n"
        "seen = []\n"
        "@handles('refund.updated')\n"
        "def die(event):\n"
        "    seen.append(event.id)\n"
        "    if len(seen) == 40: os.kill(os.getpid(), 9)\n"
        "from django.core.management import call_command; call_command('sync_webhook_events')"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    ids = [event["id"] for event in stripe_server.events()]
    stored = list(WebhookEvent.objects.order_by("id").values_list("event_id", flat=True))
    assert stored == ids[:39]
    assert counts(sync()) == [120, 81, 39, 0]


def test_accounts(stripe_server: FakeStripe, settings: Any) -> None:
    stripe_server.add_key("sk_test_eu", account="acct_eu")
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, {}),
        "manual": (STRIPE_PROVIDER, {"capture": False}),
        "eu": (STRIPE_PROVIDER, {"api_key": "sk_test_eu", "endpoint_secret": "whsec_eu"}),
        "local": (STRIPE_PROVIDER, {"use_localstripe": True}),
    }
    happen(stripe_server, 2)
    with stripe_server.state.acting():
        record(
            stripe_server.state.scope("acct_eu", livemode=False), "refund.updated", {"id": "re_1", "object": "refund"}
        )
    assert re.findall(r"^(\w+) +(\d) +(\d)", sync(), re.MULTILINE) == [("stripe", "2", "2"), ("eu", "1", "1")]
    assert sorted(WebhookEvent.objects.values_list("variant", flat=True)) == ["eu", "stripe", "stripe"]
    assert counts(sync("--variant", "manual")) == [2, 0, 2, 0]
    with pytest.raises(CommandError, match="on localstripe"):
        call_command(COMMAND, "--variant", "local")
    with pytest.raises(CommandError, match="no Stripe variant 'nobody'"):
        call_command(COMMAND, "--variant", "nobody")


def test_key_that_is_refused(stripe_server: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_API_KEY = "sk_test_gone"
    with pytest.raises(CommandError, match="does not accept the API key") as caught:
        call_command(COMMAND)
    assert DEFAULT_KEY not in str(caught.value)


def test_progress__on_a_terminal(stripe_server: FakeStripe) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    happen(stripe_server, 3)
    shown = Terminal()
    call_command(COMMAND, stdout=io.StringIO(), stderr=shown, no_color=True)
    assert "1 of 3" in shown.getvalue()
    assert "3 of 3" in shown.getvalue()


def test_statements(stripe_server: FakeStripe, django_assert_num_queries: Any) -> None:
    """What is stored already costs one query for each page."""
    happen(stripe_server, 150)
    sync()
    with django_assert_num_queries(3):
        # The newest event, and two pages; there is none that Stripe could not deliver before them.
        delivered(stripe_server, stripe_server.events())
        sync()


def test_event_of_a_shuffled_past(shop: Shop) -> None:
    """Webhooks that arrive while the command runs change nothing about the end."""
    payment = shop.payment()
    shop.fake.complete_checkout(payment.transaction_id)
    shop.fake.dashboard_refund(shop.fake.get(payment.transaction_id)["payment_intent"], 300)
    events = shop.fake.events()
    for event in random.Random(1).sample(events, 3):
        deliver(event)
    sync()
    payment.refresh_from_db()
    assert (payment.status, payment.captured_amount, payment.refunded_amount) == ("confirmed", 10, 3)
    assert deliver(make_event("refund.updated", {"id": "re_x", "object": "refund"})).status_code == 200
