"""Connected accounts of a platform (https://docs.stripe.com/api/accounts). Call with the state's lock held."""

from __future__ import annotations

from tests.fake_stripe import objects
from tests.fake_stripe.errors import invalid
from tests.fake_stripe.events import changing, record
from tests.fake_stripe.state import Object, Scope

#: What a new account is asked for.
FIRST_DUE = ("business_profile.url", "external_account", "individual.dob.day", "tos_acceptance.date")
DASHBOARDS = {"express": "express", "full": "standard", "none": "custom"}
#: Minutes for which an Account Link is good.
LINK_SECONDS = 300


def create(scope: Scope, params: Object) -> Object:
    """Create an account from an API request."""
    controller = params.get("controller", {})
    if "type" in params and controller:
        raise invalid("You may not provide both `type` and `controller`.", "controller")
    dashboard = controller.get("stripe_dashboard", {}).get("type", "full")
    if dashboard == "full" and controller.get("losses", {}).get("payments") == "application":
        raise invalid("Accounts with a full Dashboard bear their own losses.", "controller[losses][payments]")
    account: Object = {
        "id": scope.new_id("acct_"),
        "object": "account",
        "business_profile": None,
        "business_type": None,
        "capabilities": dict.fromkeys(params.get("capabilities", {}), "inactive"),
        "charges_enabled": False,
        "controller": {
            "type": "application",
            "is_controller": True,
            "fees": {"payer": controller.get("fees", {}).get("payer", "account")},
            "losses": {"payments": controller.get("losses", {}).get("payments", "stripe")},
            "requirement_collection": controller.get("requirement_collection", "stripe"),
            "stripe_dashboard": {"type": dashboard},
        },
        "country": params.get("country", "US"),
        "created": scope.now(),
        "default_currency": "usd",
        "details_submitted": False,
        "email": params.get("email"),
        "external_accounts": {"object": "list", "data": [], "has_more": False, "url": "/v1/accounts/external_accounts"},
        "metadata": objects.merged_metadata({}, params.get("metadata")),
        "payouts_enabled": False,
        "requirements": _requirements(FIRST_DUE, "requirements.past_due"),
        "tos_acceptance": {"date": None, "ip": None, "user_agent": None},
        "type": DASHBOARDS[dashboard],
    }
    return scope.add(account)


def onboard(scope: Scope, account: Object) -> None:
    """Let the owner tell Stripe all that it wants to know."""
    with changing(of_account(scope, account), account, "account.updated"):
        account.update(charges_enabled=True, payouts_enabled=True, details_submitted=True)
        account["capabilities"] = dict.fromkeys(account["capabilities"], "active")
        account["requirements"] = _requirements((), None)


def require(scope: Scope, account: Object, *due: str) -> None:
    """Let Stripe ask for more, and stop the account until it is told."""
    with changing(of_account(scope, account), account, "account.updated"):
        account.update(charges_enabled=False, payouts_enabled=False)
        account["requirements"] = _requirements(due, "requirements.past_due")


def leave(scope: Scope, account: Object) -> Object:
    """Let the owner take the platform's rights away: the event's object is the application."""
    application: Object = {"id": "ca_FakeApplication", "object": "application", "name": "A platform"}
    event = record(of_account(scope, account), "account.application.deauthorized", application)
    del scope.objects["account"][account["id"]]
    return event


def of_account(scope: Scope, account: Object) -> Scope:
    """Return what the account itself holds, in the mode of the platform's key."""
    return scope.state.scope(account["id"], scope.livemode)


def _requirements(due: tuple[str, ...], disabled_reason: str | None) -> Object:
    return {
        "alternatives": [],
        "current_deadline": None,
        "currently_due": list(due),
        "disabled_reason": disabled_reason,
        "errors": [],
        "eventually_due": list(due),
        "past_due": list(due) if disabled_reason else [],
        "pending_verification": [],
    }
