"""Follow a document inside of the test project: its Python runs, its requests are sent with the test client."""

from __future__ import annotations

import doctest
import io
import json
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient

from django_stripe_gateway import payments, signals
from django_stripe_gateway.conf import SETTINGS
from django_stripe_gateway.conf.setting import NEVER_READ
from django_stripe_gateway.gateways.registry import temporary_providers
from django_stripe_gateway.models import PaymentOperation
from django_stripe_gateway.services import arrivals
from django_stripe_gateway.testing import deliver_event, make_event
from django_stripe_gateway.webhooks.registry import temporary_handlers
from tests.conftest import SIGNALS
from tests.test_billing.host import SubscriptionHost
from tests.test_docs.blocks import Step, assert_like, assert_output, commands, steps
from tests.test_docs.curl import parse_curl
from tests.test_docs.orders import order_model

TOKEN = "token-of-ada"
# Tools that a reader runs and a test does not.
ELSEWHERE = ("pip install", "python -m pip install", "stripe ", "docker ", "localstripe")
SECRET = "whsec_test"
DOCTEST_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


class Guide:
    """What the examples of a document find, and the helpers for its comments."""

    def __init__(self, settings: Any, user: Any, fake: Any) -> None:
        self.settings = settings
        self.user = user
        self.fake = fake
        self.client = APIClient()
        self.client.force_authenticate(user)
        self.response: Any = None
        self.modules: list[str] = []
        self.namespace: dict[str, Any] = {"__name__": "documentation", "user": user, "settings": settings}
        helpers = (
            "fake",
            "client",
            "waiting_payment",
            "paid_payment",
            "authorized_payment",
            "deliver",
            "abandon",
            "stub",
            "seller",
            "stranger",
        )
        self.namespace |= {name: getattr(self, name) for name in helpers} | {
            "make_event": make_event,
            "order_model": order_model,
            "guide": self,
        }

    def follow(self, path: Path) -> None:
        """Follow the document to its end."""
        for step in steps(path):
            if step.verb in ("given", "then"):
                exec(step.compiled(), self.namespace)  # type: ignore[call-overload]
            elif step.verb == "block":
                self._block(step)

    # Helpers for the comments of documents

    def waiting_payment(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment whose customer has still to pay."""
        fields = {"owner": self.user, "gateway": "Stripe", "currency": "USD"} | fields
        return payments.create_payment(amount=Decimal(amount), **fields)

    def paid_payment(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment whose customer has paid."""
        payment = self.waiting_payment(amount, **fields)
        self.fake.complete_checkout(payment.transaction_id)
        return payments.sync_payment(payment=payment)

    def authorized_payment(self, amount: str = "10.00", **fields: Any) -> Any:
        """Return a payment that waits for its capture."""
        return self.paid_payment(amount, capture_method="manual", **fields)

    def deliver(self, event: Any, secret: str = SECRET, url: str = "") -> Any:
        """Deliver an event as Stripe would."""
        return deliver_event(self.client, event, secret=secret, url=url)

    def abandon(self) -> None:
        """Let the leases of pending operations run out, as when a process has died."""
        PaymentOperation.objects.pending().update(leased_until=timezone.now() - timedelta(seconds=1))

    def stranger(self) -> Any:
        """Return another customer."""
        return get_user_model().objects.create_user("mallory")

    def seller(self) -> SubscriptionHost:
        """Return a host whose plans, "basic" and "premium", are known to the provider."""
        return SubscriptionHost(self.fake, self.user, self.client)

    def stub(self, name: str, **values: Any) -> Any:
        """Make a module of the reader's project importable."""
        parts = name.split(".")
        for count in range(1, len(parts) + 1):
            part = ".".join(parts[:count])
            if part not in sys.modules:
                sys.modules[part] = types.ModuleType(part)
                sys.modules[part].__path__ = []  # type: ignore[attr-defined]
                self.modules.append(part)
        for key, value in values.items():
            setattr(sys.modules[name], key, value)
        return sys.modules[name]

    # Blocks

    def _block(self, step: Step) -> None:
        verb, _, argument = step.test.partition(" ")
        if verb == "skip":
            assert argument, f"{step.place}: say why it is skipped"
            if step.language == "python":
                step.compiled()
        elif step.language == "python":
            self._python(step, verb, argument)
        elif step.language == "pycon":
            self._doctest(step)
        elif step.language == "console":
            for command in commands(step.text):
                self._run(command.text, command.output, step)
        elif step.language == "json":
            assert self.response is not None, step.place
            expected = [int(argument)] if verb == "status" else [200, 201]
            assert self.response.status_code in expected, f"{step.place}: {self.response.content}"
            shown = json.loads(step.text)
            assert_like(shown, self.response.json(), step.place)

    def _python(self, step: Step, verb: str, argument: str) -> None:
        code: Any = step.compiled()
        if verb == "settings":
            values: dict[str, Any] = {"INSTALLED_APPS": [], "DATABASES": {"default": {}}, "DEBUG": False}
            exec(code, values)
            for name, value in values.items():
                if name.isupper() and name not in ("INSTALLED_APPS", "DATABASES", "DEBUG"):
                    setattr(self.settings, name, value)
        elif verb == "module":
            module = self.stub(argument)
            exec(code, module.__dict__)
            self.namespace[argument.rpartition(".")[2]] = module
        else:
            assert not verb, f"{step.place}: what is {verb!r}?"
            exec(code, self.namespace)

    def _doctest(self, step: Step) -> None:
        test = doctest.DocTestParser().get_doctest(step.text, self.namespace, step.place, str(step.path), step.line)
        report = io.StringIO()
        results = doctest.DocTestRunner(optionflags=DOCTEST_FLAGS).run(test, out=report.write, clear_globs=False)
        self.namespace |= test.globs
        assert results.failed == 0, report.getvalue()

    def _run(self, command: str, output: str, step: Step) -> None:
        if command.startswith(ELSEWHERE):
            return
        if command.startswith("python manage.py "):
            printed = io.StringIO()
            call_command(*command.removeprefix("python manage.py ").split(), stdout=printed)
            if output:
                assert_output(output, printed.getvalue(), step.place)
            return
        assert command.startswith("curl "), f"{step.place}: {command}"
        request = parse_curl(command, {"TOKEN": TOKEN} | self._variables())
        assert request.url.startswith(("https://shop.example.com/", "http://localhost:8000/")), request.url
        headers = {name: value for name, value in request.headers.items() if name != "Content-Type"}
        # Guests have none.
        expected = f"Token {TOKEN}" if self.client.handler._force_user else ""
        assert headers.pop("Authorization", "") == expected, f"{step.place}: the token is missing"
        content_type = request.headers.get("Content-Type", "application/json")
        self.response = self.client.generic(
            request.method, request.path, request.body, content_type=content_type, headers=headers
        )
        if output:
            assert_output(output, self.response.content.decode(), step.place)

    def _variables(self) -> dict[str, str]:
        return {name: str(value) for name, value in self.namespace.items() if name.isupper()}


@contextmanager
def guide(settings: Any, user: Any, fake: Any) -> Iterator[Guide]:
    """Give a guide, and forget afterwards what its document has registered."""
    receivers = {name: list(signal.receivers) for name, signal in SIGNALS.items()}
    finders = list(arrivals._finders)
    with temporary_handlers(), temporary_providers():
        # A reader's project has set none of these.
        settings.STRIPE_GATEWAY_CUSTOMER_ACTIONS, settings.STRIPE_GATEWAY_THROTTLE_RATES = ("default",), {}
        settings.STRIPE_GATEWAY_PRORATION_BEHAVIOR = "invoice_increases"
        followed = Guide(settings, user, fake)
        try:
            yield followed
        finally:
            for name, known in receivers.items():
                getattr(signals, name).receivers[:] = known
                getattr(signals, name).sender_receivers_cache.clear()
            for name in followed.modules:
                sys.modules.pop(name, None)
            # Another guide's module may have the same name.
            for setting in SETTINGS.values():
                setting.last = NEVER_READ, None
            arrivals._finders[:] = finders
