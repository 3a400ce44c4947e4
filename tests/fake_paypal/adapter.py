"""Lead requests for PayPal's own hosts to the fake: the only thing between the app and real HTTP that is not real."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import requests

HOSTS = ("api.paypal.com", "api-m.paypal.com", "api.sandbox.paypal.com", "api-m.sandbox.paypal.com")


class ToFake(requests.adapters.HTTPAdapter):
    """Sends what is meant for one of PayPal's hosts to the fake, over a connection of its own."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.asked: list[str] = []

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        """Send the request to the fake."""
        self.asked.append(request.url)
        parts = urlsplit(request.url)
        request.url = f"{self.url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        return super().send(request, *args, **kwargs)


def mount(session: requests.Session, url: str) -> ToFake:
    """Lead a session's requests for PayPal's hosts to ``url``."""
    adapter = ToFake(url)
    for host in HOSTS:
        session.mount(f"https://{host}/", adapter)
    return adapter
