"""People and programs that use the example site over HTTP."""

from __future__ import annotations

import json
import re
from http.cookiejar import CookieJar
from typing import Any
from urllib import error, parse, request

SECONDS = 30


class KeepRedirects(request.HTTPRedirectHandler):
    """Show redirects to the test instead of following them."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow nothing."""


class Page:
    """An answer."""

    def __init__(self, answer: Any) -> None:
        self.status: int = answer.status
        self.headers = answer.headers
        self.text = answer.read().decode()

    @property
    def location(self) -> str:
        """Where it redirects to."""
        return str(self.headers["Location"])

    def field(self, name: str) -> str:
        """Return the text of the element that is marked with ``data-testid``."""
        found = re.search(rf'data-testid="{name}">([^<]*)<', self.text)
        assert found, self.text
        return found[1]


class Visitor:
    """A browser without a screen: it keeps cookies and sends the CSRF token with its forms."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies = CookieJar()
        self.opener = request.build_opener(
            request.ProxyHandler({}), request.HTTPCookieProcessor(self.cookies), KeepRedirects
        )

    def get(self, path: str) -> Page:
        """Open a page."""
        return self._open(request.Request(parse.urljoin(self.url, path)))

    def post(self, path: str, **fields: str) -> Page:
        """Send a form."""
        token = next((cookie.value for cookie in self.cookies if cookie.name == "csrftoken"), "") or ""
        body = parse.urlencode(fields | {"csrfmiddlewaretoken": token}).encode()
        return self._open(request.Request(parse.urljoin(self.url, path), body))

    def log_in(self, username: str = "demo", password: str = "demo") -> Visitor:
        """Log in with the form."""
        self.get("/login/")
        assert self.post("/login/", username=username, password=password).status == 302
        return self

    def buy(self, slug: str, **fields: str) -> Page:
        """Press the button of a product, with what was chosen beside it, and return what came of it."""
        shop = self.get("/")
        found = re.search(rf'action="/buy/{slug}/".*?name="number" value="(\d+)"', shop.text, re.DOTALL)
        assert found, shop.text
        return self.post(f"/buy/{slug}/", number=found[1], **fields)

    def _open(self, asked: request.Request) -> Page:
        try:
            with self.opener.open(asked, timeout=SECONDS) as answer:
                return Page(answer)
        except error.HTTPError as answer:
            with answer:
                return Page(answer)


def call(method: str, url: str, *, body: str | None = None, headers: dict[str, str]) -> tuple[int, Any]:
    """Call the API and return the status with the decoded answer."""
    asked = request.Request(url, body.encode() if body is not None else None, headers, method=method)
    opener = request.build_opener(request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=SECONDS) as answer:
            return answer.status, json.loads(answer.read())
    except error.HTTPError as answer:
        with answer:
            return answer.code, json.loads(answer.read())
