"""What is taken out of an event's body before it is stored: whatever lets its reader act, pay or sign in.

Bodies are kept for months and shown to staff. Nothing that handles an event needs a secret, so a replay does without.
An address may let in whoever has it, and no list of those that do is complete: all go but those that rows are written
from, wherever they stand.
"""

from __future__ import annotations

import re

# Text is replaced in text, so that what is stored is otherwise what came, to the letter, numbers included. A name of a
# member cannot begin within a text: there its quotation marks are escaped.
_REST = r'[^"\\]*(?:\\.[^"\\]*)*"'
_STRING = f'"{_REST}'
# Of intents, confirmations, customers' sessions; "secret" is that of ephemeral keys and of webhook endpoints.
_SECRET = re.compile(
    rf'("(?:client_secret|secret|access_token|refresh_token|client_token|single_use_token)"\s*:\s*){_STRING}'
)
# What an invoice's row links to, and the addresses of PayPal's API, which say what an object belongs to, and open
# nothing without a key.
_KEPT_MEMBER = r'"(?:hosted_invoice_url|invoice_pdf)"\s*:\s*'
_KEPT_ADDRESS = re.compile(r"https://api(?:-m)?(?:\.sandbox)?\.paypal\.com/")
_SLASH = r"(?:\\?/|\\u002[fF])"
# No quotation mark that ends a text is followed by a scheme; a name of a member is followed by a colon.
_ADDRESS = re.compile(
    rf'({_KEPT_MEMBER})?(?<!\\)("\s*[A-Za-z][A-Za-z0-9+.-]*:{_SLASH}{_SLASH}{_REST})(?!\s*:)', re.ASCII
)
# Whatever it stands in.
_QUERY = re.compile(rf'(?<!\\)"[^"\\]*(?:\\.[^"\\]*)*client_secret={_REST}(?!\s*:)')


def without_secrets(body: str) -> str:
    """Return the JSON in ``body`` with ``null`` in place of every secret, at any depth.

    Args:
        body: verified already: a signature is about what came.
    """
    if "secret" in body or "_token" in body:
        body = _QUERY.sub("null", _SECRET.sub(r"\1null", body))
    return _ADDRESS.sub(_without_address, body)


def _without_address(found: re.Match[str]) -> str:
    if found[1]:
        return found[0]
    address = found[2].strip('"').strip().replace("\\/", "/")
    return found[0] if _KEPT_ADDRESS.match(address) else "null"
