"""What is taken out of an event's body before it is stored: whatever lets its reader act, pay or sign in.

Bodies are kept for months and shown to staff. Nothing that handles an event needs a secret, so a replay does without.
Links to what is done (an invoice's page, a receipt) stay: rows of ours are written from them.
"""

from __future__ import annotations

import re

# Text is replaced in text, so that what is stored is otherwise what came, to the letter, numbers included. A name of a
# member cannot begin within a text: there its quotation marks are escaped.
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*"'
# Of intents, confirmations, customers' sessions; "secret" is that of ephemeral keys and of webhook endpoints.
_SECRET = re.compile(rf'("(?:client_secret|secret|access_token|refresh_token|client_token)"\s*:\s*){_STRING}')
_URL = re.compile(rf'("url"\s*:\s*)({_STRING})')
# Pages that open to whoever has their address: to pay or to authenticate on, or to a customer's account.
_OPENING = ("/c/pay/", "/g/pay/", "/pay/cs_", "/p/session/", "/session/", "client_secret=")


def without_secrets(body: str) -> str:
    """Return the JSON in ``body`` with ``null`` in place of every secret, at any depth.

    Args:
        body: verified already: a signature is about what came.
    """
    if "secret" in body or "_token" in body:
        body = _SECRET.sub(r"\1null", body)
    return _URL.sub(_without_opening, body) if '"url"' in body else body


def _without_opening(found: re.Match[str]) -> str:
    address = found[2].replace("\\/", "/")
    return f"{found[1]}null" if any(part in address for part in _OPENING) else found[0]
