"""Run the fake on its own: `python -m tests.fake_stripe --port 8421 --webhook-url … --webhook-secret whsec_x`."""

from __future__ import annotations

import argparse
import contextlib
import sys
import threading

from tests.fake_stripe.server import FakeStripe


def main(arguments: list[str] | None = None) -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.fake_stripe", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8421)
    parser.add_argument("--generation", default="current", choices=("current", "acacia", "legacy"))
    parser.add_argument("--webhook-url", help="where to deliver events")
    parser.add_argument("--webhook-secret", help="the whsec_… that the receiver checks with")
    parser.add_argument("--api-key", action="append", default=[], help="accept only these keys (default: any)")
    options = parser.parse_args(arguments)
    if bool(options.webhook_url) != bool(options.webhook_secret):
        parser.error("--webhook-url and --webhook-secret go together")
    with FakeStripe(host=options.host, port=options.port, generation=options.generation) as fake:
        if options.webhook_url:
            fake.deliver_to(options.webhook_url, options.webhook_secret)
        for key in options.api_key:
            fake.add_key(key)
        if not options.api_key:
            fake.accept_any_key()
        sys.stdout.write(f"Fake Stripe at {fake.url} (controls at {fake.url}/_fake/controls)\n")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
