"""Where a provider's page sends the customer's browser back to: no credentials, but a signature in the address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.template import loader
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway.api.base import GatewayAPIView


class SignatureSerializer(serializers.Serializer[Any]):
    """What a return address is signed with."""

    signature = serializers.CharField(allow_blank=True, help_text="Made by this site for this address.")


class ReturnPageRenderer(BaseRenderer):
    """The page for a browser; templates of the same names in the host project take the place of ours."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"
    error_template_name = "django_stripe_gateway/payment_unavailable.html"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> str:
        """Return the page, or the one that says that there is none."""
        context = renderer_context or {}
        response = context["response"]
        if "Location" in response:
            return ""
        if response.status_code >= 400:
            return loader.render_to_string(self.error_template_name, {"error": data}, context["request"])
        view = context["view"]
        return loader.render_to_string(view.template_name, view.shown, context["request"])


class SignedPageView(GatewayAPIView):
    """A page for whoever holds its signed address, which shows nothing private."""

    # The signature alone decides.
    is_public = True
    # The provider tells its own ids in the address.
    takes_any_query = True
    tag = "return pages"
    renderer_classes = (ReturnPageRenderer, JSONRenderer)
    #: Of the page, where the host has none of its own.
    template_name: str
    shown: dict[str, Any]

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Ask for no credentials: the browser may be a customer's without an account here."""
        return []

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep the address, which opens the page, out of caches and of other sites' logs."""
        response = super().finalize_response(request, response, *args, **kwargs)
        response["Cache-Control"] = "private, no-store"
        response["Referrer-Policy"] = "no-referrer"
        return response

    def sent_to(self, page: str, **ours: str) -> Response:
        """Send the browser to a page of the host's; ``ours`` is told in the query, in place of what stands there."""
        parts = urlsplit(page)
        query = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in ours]
        location = parts._replace(query=urlencode([*query, *ours.items()])).geturl()
        return Response(status=302, headers={"Location": location})
