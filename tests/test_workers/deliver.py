"""Deliver the events of a file to the site, in a process of its own."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import django
from django.test import Client

django.setup()

from tests.test_webhooks.support import deliver_all  # noqa: E402

if __name__ == "__main__":
    states = deliver_all(json.loads(Path(sys.argv[1]).read_text()), client=Client())
    print(json.dumps(states))
