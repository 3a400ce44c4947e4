"""Which API keys the fake accepts."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Callable

from tests.fake_stripe.errors import ApiError

DEFAULT_ACCOUNT = "acct_1FakeStripe000000"


@dataclasses.dataclass(frozen=True)
class ApiKey:
    """A secret key: its account, the name that the request log shows, and the paths that it has no permission for."""

    secret: str
    account: str
    name: str
    forbidden: tuple[str, ...] = ()

    @property
    def livemode(self) -> bool:
        """Distinguish a live key from a test key, by its prefix as at Stripe."""
        return self.secret.startswith(("sk_live_", "rk_live_", "sk_org_live_"))

    def within(self, context: str | None, account: str | None, is_connected: Callable[[str, str], bool]) -> ApiKey:
        """Return the key as it acts under a `Stripe-Context` or `Stripe-Account`.

        An organisation's key has no account without one; `is_connected` says of a platform and an account whether the
        one may act for the other. https://docs.stripe.com/context
        """
        is_organization, path = self.secret.startswith("sk_org_"), (context or account or "").split("/")
        if is_organization and not context:
            raise ApiError(400, "Organization API keys must be used with the `Stripe-Context` header.", stored=False)
        own, asked = self.account.split(), path[-1] or self.account
        platforms = [name for name in path[:-1] if name in own] if is_organization else own
        if asked in own or any(is_connected(platform, asked) for platform in platforms):
            return dataclasses.replace(self, account=asked)
        raise ApiError(
            403,
            f"The provided key '{self.secret[:8]}***' does not have access to account '{asked}' (or that account does "
            "not exist). Application access may have been revoked.",
            code="account_invalid",
            stored=False,
        )

    def check_permission(self, path: str) -> None:
        """Refuse what a restricted key may not ask for."""
        if path.startswith(self.forbidden or ("\0",)):
            raise ApiError(
                403,
                f"The provided key '{self.secret[:8]}***' does not have the required permissions for this endpoint on "
                f"account '{self.account}'.",
                stored=False,
            )


class ApiKeys:
    """The accepted keys; with `accept_any` every well-formed test or live key belongs to one account."""

    def __init__(self, account: str) -> None:
        self.account = account
        self.accept_any = False
        self._keys: dict[str, ApiKey] = {}

    def add(self, secret: str, account: str | None, name: str | None, forbidden: tuple[str, ...] = ()) -> ApiKey:
        """Accept a key from now on."""
        key = ApiKey(secret, account or self.account, name or secret, forbidden)
        self._keys[secret] = key
        return key

    def revoke(self, secret: str) -> None:
        """Refuse a key from now on."""
        del self._keys[secret]

    def authenticate(self, authorization: str | None) -> ApiKey:
        """Return the key in an Authorization header (Bearer, or Basic with the key as the name); raise ApiError 401."""
        secret = _secret(authorization)
        if not secret:
            raise ApiError(
                401,
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
                stored=False,
            )
        known = self._keys.get(secret)
        if known:
            return known
        if self.accept_any and secret.startswith(("sk_test_", "sk_live_", "rk_test_", "rk_live_")):
            return ApiKey(secret, self.account, f"{secret[:8]}…{secret[-4:]}")
        shown = secret[:8] + "*" * (len(secret) - 8) + secret[12:][-4:]
        raise ApiError(401, f"Invalid API Key provided: {shown}", stored=False)


def _secret(authorization: str | None) -> str:
    scheme, _, credentials = (authorization or "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return ""
