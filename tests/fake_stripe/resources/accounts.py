"""`/v1/accounts` and `/v1/account_links`."""

from __future__ import annotations

from tests.fake_stripe import connecting
from tests.fake_stripe.errors import ApiError
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object


@route("POST", "/v1/accounts")
def create(call: Call) -> Object:
    """Create a connected account."""
    return connecting.create(call.scope, call.params)


@route("GET", "/v1/accounts")
def list_accounts(call: Call) -> Object:
    """List connected accounts, newest first."""
    return paginate(call, call.scope.all("account"))


@route("GET", "/v1/accounts/{id}")
def retrieve(call: Call) -> Object:
    """Return a connected account; whose it is not, the key may not know."""
    account = call.scope.find("account", call.id())
    if account is None:
        raise ApiError(
            403,
            f"The provided key '{call.scope.account[:8]}***' does not have access to account '{call.id()}' (or that "
            "account does not exist). Application access may have been revoked.",
            code="account_invalid",
        )
    return account


@route("POST", "/v1/account_links")
def create_link(call: Call) -> Object:
    """Make a page for an account's owner."""
    account = retrieve_account(call)
    now = call.scope.now()
    return {
        "object": "account_link",
        "created": now,
        "expires_at": now + connecting.LINK_SECONDS,
        "url": f"https://connect.stripe.com/setup/e/{account['id']}/{call.scope.new_id('')}",
    }


def retrieve_account(call: Call) -> Object:
    """Return the account that the request names."""
    return call.scope.get("account", call.params["account"], param="account", in_url=False)
