"""The command that registers the webhook endpoint, against the fake Stripe and against localstripe."""

from __future__ import annotations

import http.server
import logging
import re
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import stripe
from django.core.management import CommandError, call_command

from django_stripe_gateway.conf import STRIPE_PROVIDER
from django_stripe_gateway.services.payments.create import create_payment
from django_stripe_gateway.webhooks.registry import handles
from django_stripe_gateway.webhooks.stripe.event_types import stripe_event_types
from tests.conftest import free_port
from tests.fake_stripe.server import DEFAULT_KEY, FakeStripe
from tests.test_fake_stripe.shop import Shop as Sdk
from tests.test_webhooks.support import in_threads
from tests.waiting import wait_until

URL = "https://shop.test/api/v1/webhooks/stripe/"
COMMAND = "register_webhook_endpoint"


@pytest.fixture
def sdk(stripe_server: FakeStripe) -> Sdk:
    """Return the SDK, to do what somebody else does at Stripe."""
    return Sdk(stripe_server)


def endpoints(fake: FakeStripe) -> list[dict[str, Any]]:
    """Return what the account has."""
    return fake.all("webhook_endpoint")


def mutations(fake: FakeStripe) -> list[str]:
    """Return the requests that may have changed something."""
    return [f"{record.method} {record.path}" for record in fake.requests if record.method != "GET"]


def output(capsys: Any, *arguments: str) -> str:
    """Run the command and return what it prints."""
    call_command(COMMAND, *arguments)
    return str(capsys.readouterr().out)


def test_creates(stripe_server: FakeStripe, capsys: Any, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    printed = output(capsys, "--description", "The shop")
    (endpoint,) = endpoints(stripe_server)
    assert (endpoint["url"], endpoint["description"], endpoint["status"]) == (URL, "The shop", "enabled")
    assert endpoint["api_version"] == stripe.api_version
    assert endpoint["enabled_events"] == stripe_event_types("stripe")
    assert "payment_intent.succeeded" in endpoint["enabled_events"]
    assert not any(name.isupper() for name in endpoint["enabled_events"])
    (secret,) = re.findall(r"whsec_\S+", printed)
    assert "STRIPE_GATEWAY_WEBHOOK_SECRET" in printed
    assert re.search(
        rf"stripe +{endpoint['id']} +created +{len(stripe_event_types('stripe'))} +{stripe.api_version} +{URL}", printed
    )
    assert secret not in caplog.text
    assert "secret" not in endpoint


def test_again__changes_nothing(stripe_server: FakeStripe, capsys: Any) -> None:
    output(capsys)
    stripe_server.forget_requests()
    printed = output(capsys)
    assert mutations(stripe_server) == []
    assert "unchanged" in printed
    assert "whsec_" not in printed


@pytest.mark.usefixtures("registry")
def test_updates_the_event_types(stripe_server: FakeStripe, sdk: Sdk, capsys: Any) -> None:
    version = stripe.api_version
    made = sdk.v1.webhook_endpoints.create(
        {"url": URL, "enabled_events": ["payout.paid", "refund.created"], "api_version": version}
    )

    @handles("customer.created", "SOMETHING.OF.PAYPALS", "v1.billing.meter.error_report_triggered")
    def handle(event: Any) -> None: ...

    printed = output(capsys)
    (endpoint,) = endpoints(stripe_server)
    assert endpoint["id"] == made.id
    assert endpoint["enabled_events"] == stripe_event_types("stripe")
    assert {"customer.created"} <= set(endpoint["enabled_events"]) <= set(stripe_event_types("stripe"))
    assert "- payout.paid" in printed
    assert "+ customer.created" in printed
    assert "refund.created" not in printed
    assert "event destinations only: v1.billing.meter.error_report_triggered" in printed


def test_dry_run(stripe_server: FakeStripe, sdk: Sdk, capsys: Any) -> None:
    assert "created" in output(capsys, "--dry-run")
    assert endpoints(stripe_server) == []
    sdk.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"], "api_version": "2025-03-31.basil"})
    stripe_server.forget_requests()
    assert "updated" in output(capsys, "--dry-run")
    assert "replacing" in output(capsys, "--dry-run", "--replace")
    assert mutations(stripe_server) == []


def test_other_version__said_and_replaced_in_two_steps(stripe_server: FakeStripe, sdk: Sdk, capsys: Any) -> None:
    old = sdk.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"], "api_version": "2020-08-27"}).id
    printed = output(capsys)
    assert "does not change the API version" in printed
    assert "--replace makes a new endpoint" in printed
    assert [endpoint["id"] for endpoint in endpoints(stripe_server)] == [old]

    printed = output(capsys, "--replace")
    assert len(re.findall(r"whsec_\S+", printed)) == 1
    assert f"{old} still delivers" in printed
    new = next(endpoint for endpoint in endpoints(stripe_server) if endpoint["id"] != old)
    assert new["api_version"] == stripe.api_version
    assert {endpoint["status"] for endpoint in endpoints(stripe_server)} == {"enabled"}
    assert f"{old} delivers to the same address" in output(capsys)

    assert f"disabled {old}" in output(capsys, "--replace")
    states = {endpoint["id"]: endpoint["status"] for endpoint in endpoints(stripe_server)}
    assert states == {old: "disabled", new["id"]: "enabled"}
    stripe_server.forget_requests()
    output(capsys, "--replace")
    assert mutations(stripe_server) == []


def test_pinned_version_of_the_settings(stripe_server: FakeStripe, settings: Any, capsys: Any) -> None:
    settings.STRIPE_GATEWAY_API_VERSION = "2025-03-31.basil"
    output(capsys)
    assert endpoints(stripe_server)[0]["api_version"] == "2025-03-31.basil"


def test_disabled__is_enabled_again(stripe_server: FakeStripe, sdk: Sdk, capsys: Any) -> None:
    output(capsys)
    (endpoint,) = endpoints(stripe_server)
    sdk.v1.webhook_endpoints.update(endpoint["id"], {"disabled": True})
    assert "enabled" in output(capsys)
    assert [one["status"] for one in endpoints(stripe_server)] == ["enabled"]


def test_endpoints_of_others__stay(stripe_server: FakeStripe, sdk: Sdk, capsys: Any) -> None:
    for number in range(12):
        sdk.v1.webhook_endpoints.create({"url": f"https://other.test/{number}/", "enabled_events": ["*"]})
    before = endpoints(stripe_server)
    output(capsys, "--replace")
    output(capsys, "--replace")
    assert endpoints(stripe_server)[:-1] == before
    assert endpoints(stripe_server)[-1]["url"] == URL


@pytest.mark.parametrize("options", [[], ["--replace"]])
@pytest.mark.parametrize("is_key_forgotten", [False, True])
def test_killed__before_the_answer(
    stripe_server: FakeStripe, sdk: Sdk, capsys: Any, options: list[str], is_key_forgotten: bool
) -> None:
    """Stripe has acted, and the answer was lost: the next run ends with one endpoint, beside one of another version."""
    if options:
        sdk.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"], "api_version": "2020-08-27"})
    stripe_server.fault("POST", "/v1/webhook_endpoints", kind="reset_after")
    with pytest.raises(CommandError, match="could not be reached"):
        call_command(COMMAND, *options)
    if is_key_forgotten:
        stripe_server.forget_idempotency_keys()
    assert len(endpoints(stripe_server)) == len(options) + 1
    assert "unchanged" in output(capsys, *options)
    assert [endpoint["status"] for endpoint in endpoints(stripe_server)].count("enabled") == 1
    assert len(endpoints(stripe_server)) == len(options) + 1


def test_two_at_once__make_one(stripe_server: FakeStripe) -> None:
    """Both have seen an empty list before either creates."""

    def register() -> str:
        try:
            call_command(COMMAND)
        except CommandError as error:
            return str(error)
        return ""

    with stripe_server.hold("GET", "/v1/webhook_endpoints", when="after", times=2) as held:
        threads = [threading.Thread(target=lambda: in_threads([register], 1)) for _number in range(2)]
        for thread in threads:
            thread.start()
        held.wait(2)
        held.release()
        for thread in threads:
            thread.join(20)
    assert len(endpoints(stripe_server)) == 1
    keys = [record.idempotency_key for record in stripe_server.requests if record.method == "POST"]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_deleted_by_hand__is_made_anew(stripe_server: FakeStripe, sdk: Sdk, capsys: Any) -> None:
    """Stripe would repeat its answer of before, about an endpoint that is gone."""
    for _time in range(3):
        assert "created" in output(capsys)
        (endpoint,) = endpoints(stripe_server)
        sdk.v1.webhook_endpoints.delete(endpoint["id"])


def test_accounts__each_once(stripe_server: FakeStripe, settings: Any, capsys: Any) -> None:
    stripe_server.add_key("sk_test_eu", account="acct_eu")
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, {}),
        "manual": (STRIPE_PROVIDER, {"capture": False}),
        "eu": (STRIPE_PROVIDER, {"api_key": "sk_test_eu", "endpoint_secret": "whsec_eu"}),
        "dummy": ("payments.dummy.DummyProvider", {}),
    }
    printed = output(capsys)
    assert len(endpoints(stripe_server)) == 2
    assert re.findall(r"^(\w+) +we_", printed, re.MULTILINE) == ["stripe", "eu"]
    assert "unchanged" in output(capsys, "--variant", "manual")
    with pytest.raises(CommandError, match="no Stripe variant 'dummy'"):
        call_command(COMMAND, "--variant", "dummy")


def test_accounts__each_with_the_types_that_are_handled_for_it(
    stripe_server: FakeStripe, settings: Any, capsys: Any
) -> None:
    stripe_server.add_key("sk_test_eu", account="acct_eu")
    settings.PAYMENT_VARIANTS = {
        "stripe": (STRIPE_PROVIDER, {}),
        "eu": (STRIPE_PROVIDER, {"api_key": "sk_test_eu", "endpoint_secret": "whsec_eu"}),
    }
    handles("payout.paid", variant="eu")(lambda event: None)
    output(capsys)
    handled = ["payout.paid" in endpoint["enabled_events"] for endpoint in endpoints(stripe_server)]
    assert sorted(handled) == [False, True]


def test_wildcards__are_said_to_be_left_out(stripe_server: FakeStripe, capsys: Any) -> None:
    assert "wildcards" not in output(capsys)
    handles("transfer.*")(lambda event: None)
    assert re.search(r"wildcards name no event type: transfer\.\*\.", output(capsys))


# What can go wrong, and what is said about it.


def failure(*arguments: str) -> str:
    """Return what the command says when it fails."""
    with pytest.raises(CommandError) as caught:
        call_command(COMMAND, *arguments)
    assert DEFAULT_KEY not in str(caught.value)
    return str(caught.value)


def test_live__needs_https(stripe_server: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_API_KEY = "sk_live_fake"
    settings.PAYMENT_USES_SSL = False
    assert "https addresses only" in failure()
    assert stripe_server.requests == []


@pytest.mark.parametrize("url", ["shop.test/webhooks", "ftp://shop.test/", "https://", "/webhooks/"])
def test_no_absolute_address(stripe_server: FakeStripe, url: str) -> None:
    assert "not an absolute address" in failure("--url", url)
    assert stripe_server.requests == []


def test_unreachable_address(stripe_server: FakeStripe) -> None:
    said = failure("--url", "https://localhost/webhooks/stripe/")
    assert "publicly accessible" in said
    assert "stripe listen" in said


def test_too_many(stripe_server: FakeStripe, sdk: Sdk) -> None:
    for number in range(16):
        sdk.v1.webhook_endpoints.create({"url": f"https://other.test/{number}/", "enabled_events": ["*"]})
    said = failure()
    assert "maximum of 16 test webhook endpoints" in said
    assert "Delete endpoints" in said


def test_restricted_key(stripe_server: FakeStripe, settings: Any) -> None:
    stripe_server.add_key("rk_test_1", forbidden=("/v1/webhook_endpoints",))
    settings.STRIPE_GATEWAY_API_KEY = "rk_test_1"
    said = failure()
    assert "no permission" in said
    assert "Dashboard" in said
    assert "rk_test_1" not in said
    assert "req_" in said


@pytest.mark.usefixtures("registry")
def test_unknown_event_type(stripe_server: FakeStripe) -> None:
    @handles("shop.opened")
    def handle(event: Any) -> None: ...

    said = failure()
    assert "enabled_events" in said
    assert "correct its name" in said
    stripe_server.take_violations()


def test_no_host(settings: Any) -> None:
    from django_stripe_gateway.conf import unset_payment_host

    settings.PAYMENT_HOST = unset_payment_host
    assert "PAYMENT_HOST is not set" in failure()


def test_not_mounted(settings: Any) -> None:
    settings.ROOT_URLCONF = "django_stripe_gateway.api.openapi.urls"
    assert 'include("django_stripe_gateway.urls")' in failure()


def test_no_stripe_variant(settings: Any) -> None:
    settings.PAYMENT_VARIANTS = {"dummy": ("payments.dummy.DummyProvider", {})}
    assert "no Stripe variant" in failure()


def test_one_account_fails__the_other_is_registered(stripe_server: FakeStripe, settings: Any) -> None:
    settings.PAYMENT_VARIANTS = {
        "gone": (STRIPE_PROVIDER, {"api_key": "sk_test_gone"}),
        "stripe": (STRIPE_PROVIDER, {}),
    }
    assert failure().startswith("gone: Stripe does not accept the API key")
    assert len(endpoints(stripe_server)) == 1


# localstripe.


class Received(http.server.BaseHTTPRequestHandler):
    """Takes what localstripe delivers."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.arrived.append(self.headers.get("Stripe-Signature", ""))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def receiver() -> Iterator[Any]:
    """Return a server that localstripe may deliver to."""

    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Received)
    server.arrived = []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.localstripe
@pytest.mark.django_db
@pytest.mark.parametrize("proxy", ["", "http://127.0.0.1:9"])
def test_localstripe(localstripe: str, receiver: Any, capsys: Any, monkeypatch: Any, proxy: str) -> None:

    if proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy)
        monkeypatch.setenv("http_proxy", proxy)
    for _time in range(2):
        printed = output(capsys, "--url", f"http://127.0.0.1:{receiver.server_address[1]}/")
        assert re.search(rf"stripe +localstripe +created +{len(stripe_event_types('stripe'))}", printed)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    create_payment(owner=None, gateway="stripe", amount=Decimal("10.00"), currency="USD")
    wait_until(lambda: receiver.arrived, 10, what="a delivery")
    # Of all that happens, what is handled here: payment_intent.succeeded, and no charge.succeeded.
    assert len(receiver.arrived) == 1
    assert receiver.arrived[0].startswith("t=")


def test_localstripe__does_not_answer(settings: Any) -> None:
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    settings.STRIPE_GATEWAY_LOCALSTRIPE_URL = f"http://127.0.0.1:{free_port()}"
    said = failure("--url", "http://127.0.0.1:8000/")
    assert "localstripe does not answer" in said
    assert "STRIPE_GATEWAY_LOCALSTRIPE_URL" in said


def test_localstripe__is_something_else(fake_stripe: FakeStripe, settings: Any) -> None:
    settings.STRIPE_GATEWAY_USE_LOCALSTRIPE = True
    settings.STRIPE_GATEWAY_LOCALSTRIPE_URL = fake_stripe.url
    assert "refused the webhook with HTTP status 401" in failure()
    assert "created" in " ".join(dry_run_lines())


def dry_run_lines() -> list[str]:
    """Return what a dry run prints: it asks nobody."""
    import io

    out = io.StringIO()
    call_command(COMMAND, "--dry-run", stdout=out)
    return out.getvalue().splitlines()
