"""Follow a document in a real new Django project: its files are written, its commands run, its requests sent."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from tests.conftest import wait_for_port
from tests.fake_stripe.server import FakeStripe
from tests.test_docs.blocks import ROOT, Command, Step, assert_like, assert_output, commands, pattern, steps
from tests.test_docs.curl import parse_curl
from tests.waiting import wait_until

SITE, LOCALSTRIPE = "8000", "8420"
# Payments that name an order and do not pay it, one that brings what is missing, and then more of them.
THEFT = """
from django_stripe_gateway.models import Payment
from orders import receivers
from orders.models import Order
Order.objects.create(number='dear', customer_id=1, price=25, currency='USD')
some = [(None, 25, 'USD'), (1, 25, 'EUR'), (1, '0.50', 'USD'), (1, '24.50', 'USD')]
for owner, amount, currency in (*some, (1, '0.50', 'USD'), (1, '0.50', 'USD'), (1, 25, 'USD')):
    payment = Payment.objects.create(
        variant='stripe', status='confirmed', order_id='dear', owner_id=owner, total=amount, captured_amount=amount,
        currency=currency,
    )
    print('paid', amount, currency, flush=True)
    receivers.fulfil_order(Payment, payment=payment)
receivers.fulfil_order(Payment, payment=payment)
from threading import Thread
Order.objects.create(number='twice', customer_id=1, price=25, currency='USD')
Payment.objects.filter(currency='USD', owner=1, captured_amount=25).update(order_id='twice')
paid = {'payment': Payment.objects.get(pk=payment.pk)}
threads = [Thread(target=receivers.fulfil_order, args=(Payment,), kwargs=paid) for _ in 'abcd']
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print('done')
"""
# What a reader does before the first step, or in a tool that is not here.
SKIPPED = re.compile(r"(python3? -m venv|source |\. |cd |mkdir |(python -m )?pip install |stripe login|stripe trigger)")
ASSIGNMENT = re.compile(r"export (\w+)=(.*)", re.DOTALL)
PATIENCE = 30


def quiet_port() -> str:
    """Return a port that nobody listens on, below those that systems give to connections by themselves."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return str(port)


class Project:
    """A project in a folder of its own, with the servers that the document starts."""

    def __init__(self, folder: Path, fake: FakeStripe) -> None:
        self.folder = folder
        self.fake = fake
        self.ports = {SITE: quiet_port(), LOCALSTRIPE: quiet_port()}
        self.servers: dict[str, subprocess.Popen[Any]] = {}
        self.response: requests.Response | None = None
        self.printed = ""
        dropped = ("COVERAGE", "DJANGO_SETTINGS_MODULE", "PYTHONPATH", "STRIPE_", "PYTHONWARNINGS")
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        self.environment |= {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
            "NO_PROXY": "127.0.0.1,localhost",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        self.namespace: dict[str, Any] = {"project": self, "fake": fake, "json": json}

    def follow(self, path: Path) -> None:
        """Follow the document to its end."""
        for step in steps(path):
            if step.verb in ("given", "then"):
                exec(step.compiled(), self.namespace)  # type: ignore[call-overload]
            elif step.verb == "block":
                self._block(step)

    def close(self) -> None:
        """End what was started."""
        for name in list(self.servers):
            self.stop(name)

    def stop(self, name: str) -> None:
        """End a server."""
        server = self.servers.pop(name, None)
        if server is not None:
            server.terminate()
            server.wait(10)

    def append(self, name: str, text: str) -> None:
        """Append to a file of the project."""
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{self.localised(text)}")

    def localised(self, text: str) -> str:
        """Return ``text`` with the ports of this run."""
        for usual, port in self.ports.items():
            text = re.sub(rf"\b{usual}\b", port, text)
        return text

    def shell(self, command: str) -> str:
        """Run a command to its end, and return what it has printed."""
        done = subprocess.run(
            ["sh", "-c", self.localised(command)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, expression: str) -> str:
        """Return the command that prints what ``expression`` says of the project's rows."""
        code = f"from django_stripe_gateway.models import *; print({expression})"
        return f'python manage.py shell -v 0 -c "{code}"'

    def pay(self) -> None:
        """Let the customer pay on the page that the last answer names."""
        assert self.response is not None
        path = urlsplit(self.response.json()["gateway_url"]).path
        self.fake.complete_checkout(path.rpartition("/")[2])

    def steal(self) -> list[str]:
        """Let people pay for an order what does not pay it, then the rest; return what the receiver made of it."""
        return self.shell(f'python manage.py shell -v 0 -c "{THEFT}"').splitlines()

    def log(self, name: str) -> str:
        """Return what a server has printed."""
        return (self.folder.parent / f"{name}.log").read_text(encoding="utf-8")

    def wait_for(self, command: str, shown: str) -> None:
        """Run a command until it prints what is shown: a provider's event takes a moment."""
        printed = ""

        def is_shown() -> bool:
            nonlocal printed
            printed = self.shell(command)
            return bool(pattern(shown).fullmatch(printed.strip()))

        with contextlib.suppress(TimeoutError):
            wait_until(is_shown, PATIENCE, what=command, interval=0.5)
        assert_output(shown, printed, command)

    def _block(self, step: Step) -> None:
        verb, _, argument = step.test.partition(" ")
        if verb == "skip":
            assert argument, f"{step.place}: say why it is skipped"
        elif step.language == "console":
            for command in commands(step.text):
                self._run(command, step, patient=verb == "wait")
        elif step.language == "json":
            assert self.response is not None, step.place
            expected = [int(argument)] if verb == "status" else [200, 201]
            assert self.response.status_code in expected, f"{step.place}: {self.response.text}"
            shown = json.loads(self.localised(step.text))
            assert_like(shown, self.response.json(), step.place)
        elif step.language in ("python", "html"):
            assert verb in ("append", "write"), f"{step.place}: the comment says neither append nor write"
            (self.folder / argument).parent.mkdir(parents=True, exist_ok=True)
            if verb == "write":
                (self.folder / argument).write_text("", encoding="utf-8")
            self.append(argument, step.text)

    def _run(self, command: Command, step: Step, *, patient: bool) -> None:
        text = command.text
        assignment = ASSIGNMENT.fullmatch(text)
        if SKIPPED.match(text):
            return
        if assignment:
            self._export(*assignment.groups())
        elif text.startswith("curl "):
            request = parse_curl(self.localised(text), self.environment)
            self.response = requests.request(
                request.method,
                request.url,
                headers=request.headers,
                data=request.body.encode(),
                timeout=PATIENCE,
                allow_redirects=False,
            )
            if command.output:
                assert_output(command.output, self.response.text, step.place)
        elif text.startswith("localstripe"):
            self._start_localstripe()
        elif text.startswith("stripe listen"):
            address = self.localised(text.rpartition("--forward-to ")[2].split()[0])
            self.fake.deliver_to(f"http://{address}", "whsec_test")
        elif text == "python manage.py runserver":
            self._start_site()
        elif patient:
            self.wait_for(text, command.output)
        else:
            printed = self.shell(text)
            if command.output:
                assert_output(self.localised(command.output), printed, step.place)

    def _export(self, name: str, value: str) -> None:
        if value.startswith("$("):
            value = self.shell(value[2:-1]).strip()
        if name == "STRIPE_API_KEY":
            # From here on the reader has a Stripe account; we have the fake.
            assert value.startswith("sk_test_"), value
            value = "sk_test_fake"
            self.environment["NO_PROXY"] = "127.0.0.1,localhost"
            self.append("config/settings.py", f'STRIPE_GATEWAY_API_BASE = "{self.fake.url}"\n')
        elif name == "STRIPE_WEBHOOK_SECRET":
            value = "whsec_test"
        self.environment[name] = value

    def _start_localstripe(self) -> None:
        launcher = ROOT / "example_project" / "localstripe_server.py"
        port = self.ports[LOCALSTRIPE]
        store = self.folder.parent / "localstripe.pickle"
        self.append("config/settings.py", f'STRIPE_GATEWAY_LOCALSTRIPE_URL = "http://127.0.0.1:{port}"\n')
        self._start("localstripe", [str(launcher), "--port", port, "--store", str(store)], port)

    def _start_site(self) -> None:
        self.stop("site")
        self._start("site", ["manage.py", "runserver", "--noreload", self.ports[SITE]], self.ports[SITE])

    def _start(self, name: str, arguments: list[str], port: str) -> None:
        log = (self.folder.parent / f"{name}.log").open("ab")
        self.servers[name] = subprocess.Popen(
            [sys.executable, *arguments], cwd=self.folder, env=self.environment, stdout=log, stderr=log
        )
        log.close()
        wait_for_port(int(port), self.servers[name])
