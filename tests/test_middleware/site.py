"""Middleware that sites put before every view."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

Next = Callable[[HttpRequest], HttpResponse]
#: What was read of each request's body, and when.
read: list[tuple[str, bytes]] = []


def reads_before(get_response: Next) -> Next:
    """Read the body before the view does, as what checks signatures or logs requests."""

    def respond(request: HttpRequest) -> HttpResponse:
        read.append(("before", request.body))
        return get_response(request)

    return respond


def reads_after(get_response: Next) -> Next:
    """Read the body once there is an answer, as what logs failures."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        read.append(("after", request.body))
        _ = request.POST
        return response

    return respond


def reads_in_the_view_hook(get_response: Next) -> Any:
    """Read the body when the view is known."""

    class Hook:
        async_capable = False

        def __call__(self, request: HttpRequest) -> HttpResponse:
            return get_response(request)

        def process_view(self, request: HttpRequest, *args: Any) -> None:
            read.append(("hook", request.body))

    return Hook()


def under_maintenance(get_response: Next) -> Next:
    """Let nobody in."""

    def respond(request: HttpRequest) -> HttpResponse:
        return HttpResponse("Back soon.", status=503, headers={"Retry-After": "60"})

    return respond


def adds_policy(get_response: Next) -> Next:
    """Forbid what the page does not bring itself."""

    def respond(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Content-Security-Policy"] = "default-src 'none'; style-src 'self'"
        return response

    return respond
