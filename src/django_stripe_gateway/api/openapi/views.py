"""The OpenAPI 3.1 document and Swagger UI; imported only where drf-spectacular is installed."""

from __future__ import annotations

import threading
from typing import Any

from django.templatetags.static import static
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from django_stripe_gateway import __version__
from django_stripe_gateway.api.openapi.inspector import GatewaySchema

# drf-spectacular patches its settings for the whole process while it writes one document.
_writing = threading.Lock()


def only_this_app(endpoints: list[Any]) -> list[Any]:
    """Return the endpoints of this app; the host's are described by the host's own document."""

    def is_ours(view: Any) -> bool:
        return isinstance(getattr(getattr(view, "cls", None), "schema", None), GatewaySchema)

    return [endpoint for endpoint in endpoints if is_ours(endpoint[3])]


class SchemaView(SpectacularAPIView):
    """``GET schema/``: OpenAPI 3.1, as YAML or JSON by content negotiation or ``?format=json``."""

    versioning_class = None
    authentication_classes = ()
    permission_classes = (AllowAny,)
    custom_settings = {
        "OAS_VERSION": "3.1.0",
        "TITLE": "Payments",
        "DESCRIPTION": "Payments through Stripe. Amounts are decimal strings; every error has one shape.",
        "VERSION": __version__,
        "PREPROCESSING_HOOKS": ["django_stripe_gateway.api.openapi.views.only_this_app"],
    }

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return the document."""
        with _writing:
            response: Response = super().get(request, *args, **kwargs)  # type: ignore[no-untyped-call]
        return response


class DocsView(SpectacularSwaggerSplitView):
    """``GET docs/``: Swagger UI from this server's own static files, without inline scripts."""

    versioning_class = None
    authentication_classes = ()
    permission_classes = (AllowAny,)
    url_name = "django_stripe_gateway:schema"
    title = "Payments"

    @staticmethod
    def _swagger_ui_resource(filename: str) -> str:
        return _sidecar(filename)

    @staticmethod
    def _swagger_ui_favicon() -> str:
        return _sidecar("favicon-32x32.png")


def _sidecar(filename: str) -> str:
    return static(f"drf_spectacular_sidecar/swagger-ui-dist/{filename}")
