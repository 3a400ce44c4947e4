"""`/v1/webhook_endpoints`. They are only kept: what is delivered where is said by `FakeStripe.deliver_to`."""

from __future__ import annotations

import secrets
from urllib.parse import urlsplit

from tests.fake_stripe.errors import ApiError, invalid
from tests.fake_stripe.objects import merged_metadata
from tests.fake_stripe.routes import Call, paginate, route
from tests.fake_stripe.state import Object

_MOST = 16
_LOOPBACK = ("localhost", "127.0.0.1", "0.0.0.0", "[::1]", "::1")


@route("POST", "/v1/webhook_endpoints")
def create(call: Call) -> Object:
    """Create an endpoint; only this answer holds its secret."""
    scope, params = call.scope, call.params
    _check_url(call, params["url"])
    _check_events(params["enabled_events"])
    if len(scope.all("webhook_endpoint")) >= _MOST:
        mode = "live" if scope.livemode else "test"
        raise ApiError(400, f"You have reached the maximum of {_MOST} {mode} webhook endpoints.")
    endpoint = scope.add(
        {
            "id": scope.new_id("we_"),
            "object": "webhook_endpoint",
            "api_version": params.get("api_version"),
            "application": None,
            "created": scope.now(),
            "description": params.get("description") or None,
            "enabled_events": params["enabled_events"],
            "livemode": scope.livemode,
            "metadata": merged_metadata({}, params.get("metadata")),
            "status": "enabled",
            "url": params["url"],
        }
    )
    return {**endpoint, "secret": "whsec_" + secrets.token_urlsafe(24)}


@route("GET", "/v1/webhook_endpoints")
def list_endpoints(call: Call) -> Object:
    """List endpoints, newest first."""
    return paginate(call, call.scope.all("webhook_endpoint"))


@route("GET", "/v1/webhook_endpoints/{id}")
def retrieve(call: Call) -> Object:
    """Return an endpoint."""
    return _endpoint(call)


@route("POST", "/v1/webhook_endpoints/{id}")
def update(call: Call) -> Object:
    """Change what may change: not the API version."""
    endpoint, params = _endpoint(call), call.params
    if "url" in params:
        _check_url(call, params["url"])
    if "enabled_events" in params:
        _check_events(params["enabled_events"])
    endpoint.update({name: params[name] for name in ("url", "enabled_events") if name in params})
    if "description" in params:
        endpoint["description"] = params["description"] or None
    if "disabled" in params:
        endpoint["status"] = "disabled" if params["disabled"] else "enabled"
    endpoint["metadata"] = merged_metadata(endpoint["metadata"], params.get("metadata"))
    return endpoint


@route("DELETE", "/v1/webhook_endpoints/{id}")
def delete(call: Call) -> Object:
    """Delete an endpoint."""
    endpoint = _endpoint(call)
    del call.scope.objects["webhook_endpoint"][endpoint["id"]]
    return {"id": endpoint["id"], "object": "webhook_endpoint", "deleted": True}


def _endpoint(call: Call) -> Object:
    return call.scope.get("webhook_endpoint", call.id(), param="webhook_endpoint")


def _check_url(call: Call, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise invalid("Invalid URL: An explicit scheme (such as https) must be provided.", "url", "url_invalid")
    if parts.hostname in _LOOPBACK:
        raise invalid(
            "Invalid URL: URL must be publicly accessible. Consider using a tool like the Stripe CLI to test webhooks "
            "locally: https://github.com/stripe/stripe-cli.",
            "url",
            "url_invalid",
        )
    if call.scope.livemode and parts.scheme != "https":
        raise invalid("Invalid URL: Live webhook endpoints must be HTTPS.", "url", "url_invalid")


def _check_events(events: list[str]) -> None:
    if not events:
        raise invalid("You must specify at least one event.", "enabled_events")
