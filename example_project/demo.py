"""Serve the example site with localstripe, users to log in with and a payment to try: what `make demo` runs.

    python demo.py                  pay through localstripe
    python demo.py --port 9000      on another port (or PORT=9000)
    python demo.py --workers 2      let two workers handle the webhooks (or WORKERS=2)
    python demo.py --checkout       pay on a Checkout page, which the tests' fake of Stripe shows

Ctrl-C ends everything that it has started.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import NoReturn

from launcher.children import Child, DemoError
from launcher.ports import LOOPBACK, find_port
from launcher.workers import start_workers, worker_count
from shop.demo import CREDENTIALS

EXAMPLE = Path(__file__).resolve().parent
ROOT = EXAMPLE.parent
MANAGE = EXAMPLE / "manage.py"
SITE_PORT = 8000
LOCALSTRIPE_PORT = 8420
FAKE_STRIPE_PORT = 8421
WEBHOOK_PATH = "/api/v1/webhooks/stripe/"
# The fake signs with it, as Stripe would. localstripe signs too, but in development nobody checks.
WEBHOOK_SECRET = "whsec_demo"
REQUEST_LINE = re.compile(r'\[[^]]+\] "(?P<request>[A-Z]+ (?P<path>\S+)) HTTP/[\d.]+" (?P<status>\d+) ')
DULL = ("/static/", "/favicon", "/admin/jsi18n")


class Stopped(Exception):
    """Somebody asked the demo to end."""


def main() -> int:
    """Run the demo until it is interrupted, and return its exit code."""
    options = parse_arguments()
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            # SIGINT too: a shell starts background jobs with it ignored.
            signal.signal(getattr(signal, name), stop)
    try:
        with ExitStack() as children:
            run(options, children)
    except Stopped:
        say("Stopped.")
        return 0
    except DemoError as error:
        print(f"\nmake demo: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def parse_arguments() -> argparse.Namespace:
    """Return the options; PORT and WORKERS of the environment stand for those of that name."""
    parser = argparse.ArgumentParser(prog="demo.py", description="Serve the example site.")
    parser.add_argument("--port", type=port_number, default=os.environ.get("PORT") or SITE_PORT)
    parser.add_argument("--stripe-port", type=port_number, help="port of localstripe, or of the fake")
    parser.add_argument("--workers", type=worker_count, default=os.environ.get("WORKERS") or 0)
    parser.add_argument("--checkout", action="store_true", help="pay on a Checkout page of the tests' fake of Stripe")
    parser.add_argument(
        "--state", type=Path, default=EXAMPLE / ".demo", help="directory for logs and data of localstripe"
    )
    parser.add_argument("--verbose", action="store_true", help="show every line that the processes print")
    return parser.parse_args()


def port_number(value: str) -> int:
    """Return a port, for argparse; 0 stands for any that is free."""
    if value.isdecimal() and int(value) < 65536:
        return int(value)
    raise argparse.ArgumentTypeError(f"{value!r} is not a port; use a number from 1 to 65535")


def stop(number: int, frame: FrameType | None) -> NoReturn:
    """End the demo; a second signal changes nothing, so that everything it started is ended too."""
    signal.signal(number, signal.SIG_IGN)
    raise Stopped


def run(options: argparse.Namespace, children: ExitStack) -> None:
    """Start everything, say how to use it, and wait for the end of one of the processes."""
    options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    options.state.chmod(0o700)
    site_port = choose_port("the site", options.port, taken=set())
    stripe_name = "fake Stripe" if options.checkout else "localstripe"
    wanted = FAKE_STRIPE_PORT if options.checkout else LOCALSTRIPE_PORT
    if options.stripe_port is not None:
        wanted = options.stripe_port
    stripe_port = choose_port(stripe_name, wanted, taken={site_port})
    site, stripe = f"http://{LOOPBACK}:{site_port}", f"http://{LOOPBACK}:{stripe_port}"
    environment = site_environment(site, stripe, checkout=options.checkout)
    environment["WEBHOOK_WORKERS"] = str(options.workers > 0)

    say(f"Starting {stripe_name}, preparing the database …")
    start = start_fake_stripe if options.checkout else start_localstripe
    provider = start(stripe_port, options, site=site, environment=environment)
    children.callback(provider.stop)
    provider.wait_until_ready(stripe)
    manage(environment, "seed_demo", "--migrate", "--plans", problem="The database could not be prepared.")
    if not options.checkout:
        # localstripe forgets it when it ends.
        manage(
            environment,
            "register_webhook_endpoint",
            problem="localstripe could not be given the address of its events.",
        )
    started = [provider]
    if options.workers:
        for worker in start_workers(options.workers, MANAGE, environment=environment, state=options.state):
            children.callback(worker.stop)
            started.append(worker)

    server = Child(
        "site",
        [str(MANAGE), "runserver", "--noreload", f"{LOOPBACK}:{site_port}"],
        environment=environment,
        folder=EXAMPLE,
        log=options.state / f"site-{site_port}.log",
        shown=str if options.verbose else site_line,
    )
    children.callback(server.stop)
    server.wait_until_ready(f"{site}/static/shop/icon.svg")
    print(summary(site, stripe_name, options), flush=True)

    started.append(server)
    for child in started:
        child.is_audible = True
    while all(child.is_running for child in started):
        time.sleep(0.2)
    raise next(child for child in started if not child.is_running).failure()


def choose_port(name: str, wanted: int, *, taken: set[int]) -> int:
    """Return the port for a server, saying so if it is not the one that was wanted."""
    port = find_port(wanted, taken=taken)
    if wanted and port != wanted:
        say(f"Port {wanted} is busy: {name} uses {port} instead.")
    return port


def site_environment(site: str, stripe: str, *, checkout: bool) -> dict[str, str]:
    """Return the site's environment; it wins over .env files, so that real keys in them are never used here."""
    own = {
        "DJANGO_CONFIGURATION": "Development",
        "USE_LOCALSTRIPE": str(not checkout),
        "LOCALSTRIPE_URL": stripe,
        "STRIPE_API_BASE": stripe if checkout else "",
        "STRIPE_API_KEY": "sk_test_demo" if checkout else "",
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET if checkout else "",
        "STRIPE_API_VERSION": "",
        "PAYMENT_HOST": site.partition("//")[2],
        "PAYMENT_USES_SSL": "False",
        "SECURE_SSL_REDIRECT": "False",
        "ALLOWED_HOSTS": "",
        "DATABASE_URL": os.environ.get("DATABASE_URL") or f"sqlite:///{EXAMPLE / 'db.sqlite3'}",
        "PYTHONUNBUFFERED": "1",
    }
    for name in ("NO_PROXY", "no_proxy"):
        own[name] = ",".join(filter(None, [os.environ.get(name), LOOPBACK, "localhost"]))
    return os.environ | own


def start_localstripe(port: int, options: argparse.Namespace, *, site: str, environment: dict[str, str]) -> Child:
    """Start localstripe. Its store is named after the port, so that two demos do not share one."""
    store = options.state / f"localstripe-{port}"
    return Child(
        "localstripe",
        [str(EXAMPLE / "localstripe_server.py"), "--port", str(port), "--store", str(store)],
        environment=environment,
        folder=EXAMPLE,
        log=options.state / f"localstripe-{port}.log",
        shown=str if options.verbose else localstripe_line,
    )


def start_fake_stripe(port: int, options: argparse.Namespace, *, site: str, environment: dict[str, str]) -> Child:
    """Start the fake of Stripe that the project's tests use."""
    if not (ROOT / "tests" / "fake_stripe" / "__main__.py").exists():
        raise DemoError("--checkout needs the project's tests, which are not beside the example project.")
    webhook = ["--webhook-url", f"{site}{WEBHOOK_PATH}", "--webhook-secret", WEBHOOK_SECRET]
    return Child(
        "fake Stripe",
        ["-m", "tests.fake_stripe", "--port", str(port), *webhook],
        environment=environment,
        folder=ROOT,
        log=options.state / f"fake_stripe-{port}.log",
    )


def manage(environment: dict[str, str], *arguments: str, problem: str) -> None:
    """Run a command of the site to its end; ``problem`` is what is wrong if it fails."""
    done = subprocess.run(
        [sys.executable, str(MANAGE), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DemoError(f"{problem} {(done.stderr or done.stdout).strip()}")
    if done.stderr:
        say(done.stderr.strip())


def site_line(line: str) -> str:
    """Return what the terminal shows of a line of the site: requests in short, and everything unusual."""
    match = REQUEST_LINE.match(line)
    if match is None:
        return "" if line.startswith("Not Found: /favicon") else line
    return "" if match["path"].startswith(DULL) else f"{match['status']}  {match['request']}"


def localstripe_line(line: str) -> str:
    """Return what the terminal shows of a line of localstripe: the webhooks that it sent."""
    return line if line.startswith("webhook ") else ""


def curl(site: str) -> str:
    """Return the command that pays."""
    body = {"gateway": "Stripe", "amount": "10.00", "currency": "USD", "order_id": "ord_123"}
    return (
        f"curl -X POST {site}/api/v1/payments/create_payment/ -H 'Authorization: Token {CREDENTIALS.token}' "
        f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    )


def summary(site: str, stripe_name: str, options: argparse.Namespace) -> str:
    """Return what to know about the demo."""
    paid = "gateway_url, the page to pay on" if options.checkout else '"status": "confirmed"'
    if options.checkout:
        arrival = "Pay on that page. The signed webhook arrives before it sends you back"
    else:
        arrival = f"{stripe_name} sends the webhook about a second later. It shows up below"
    workers = f"\n  Workers that handle the webhooks: {options.workers}\n" if options.workers else ""
    return f"""
  The shop        {site}/
  Admin           {site}/admin/
  API             {site}/api/v1/
  API docs        {site}/api/v1/docs/

  Customer        {CREDENTIALS.username} / {CREDENTIALS.password}
  Administrator   {CREDENTIALS.admin_username} / {CREDENTIALS.admin_password}
  API token       {CREDENTIALS.token}

  Pay with curl (201, {paid}):

{curl(site)}

  {arrival}, and is kept under
  {site}/admin/django_stripe_gateway/webhookevent/
{workers}
  Logs are in {options.state}. Stop with Ctrl-C.
"""


def say(sentence: str) -> None:
    """Print a sentence at once, also when nobody looks at a terminal."""
    print(sentence, flush=True)


if __name__ == "__main__":
    sys.exit(main())
