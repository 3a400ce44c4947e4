"""What all views of the API share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.db import connections
from django.utils.module_loading import import_string
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotAuthenticated
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from django_stripe_gateway.api.errors import handle_exception
from django_stripe_gateway.api.openapi.optional import view_schema
from django_stripe_gateway.api.parsers import ExactJSONParser
from django_stripe_gateway.api.replaceable import serializer_class
from django_stripe_gateway.api.throttling import GatewayRateThrottle
from django_stripe_gateway.choices import LogSource
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.services.origins import Origin


def _default_authentication() -> Sequence[type[BaseAuthentication]]:
    """Return DRF's setting as it is now, and not as it was when the views were imported."""
    classes: Sequence[type[BaseAuthentication]] = api_settings.DEFAULT_AUTHENTICATION_CLASSES  # type: ignore[assignment]
    return classes


class GatewayAPIView(APIView):
    """Authentication, permissions, throttles and error shape, from the settings as they are at the request."""

    # A host's versioning scheme belongs to the host's own views; it would answer 404 to these.
    versioning_class = None
    parser_classes = (ExactJSONParser,)
    #: Name of the rate in ``STRIPE_GATEWAY_THROTTLE_RATES``.
    rate_scope: ClassVar[str] = ""
    #: Needs no permission, and is answered to whoever asks.
    is_public: ClassVar[bool] = False
    #: What fails at the provider fails the request too.
    calls_provider: ClassVar[bool] = False
    #: The group that its operations stand in, in the OpenAPI document.
    tag: ClassVar[str] = ""
    #: Name of its operation where it inherits another view's handler.
    operation_id: ClassVar[str] = ""
    #: Serializer that has the parts of its path as fields.
    path_serializer: ClassVar[type[BaseSerializer[Any]] | None] = None
    schema = view_schema()

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view, outside of ``ATOMIC_REQUESTS`` on whichever database holds the payments.

        The services commit what they are about to do before they call the provider: no transaction may be around them.
        """
        view: Any = super().as_view(**initkwargs)
        view._non_atomic_requests = set(connections)
        return view

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return the authentication of the settings, DRF's own by default."""
        paths = gateway_settings.authentication_classes
        if paths is None:
            return [authentication() for authentication in _default_authentication()]
        return [import_string(path)() for path in paths]

    def get_permissions(self) -> list[BasePermission]:
        """Return the permissions of the settings, none for a public view."""
        if self.is_public:
            return []
        return [import_string(path)() for path in gateway_settings.permission_classes]

    def get_throttles(self) -> list[BaseThrottle]:
        """Return the host's own throttles and the one for this view's scope."""
        return [*super().get_throttles(), GatewayRateThrottle()]

    def get_exception_handler(self) -> Callable[..., Response]:
        """Return the handler that knows the one error shape."""
        return handle_exception

    @property
    def owner(self) -> Any:
        """The user whose objects the request is about.

        Raises:
            NotAuthenticated: nobody. Permissions that let everybody in make nobody's objects everybody's.
        """
        user = self.request.user
        if user is None or not user.is_authenticated:
            raise NotAuthenticated
        return user

    @property
    def owner_row(self) -> Any:
        """The row of that user, also where the credentials alone say who it is (a token that is not looked up).

        Raises:
            NotAuthenticated: there is no such user any more.
        """
        model = get_user_model()
        owner = self.owner
        if isinstance(owner, model):
            return owner
        row = model._default_manager.filter(pk=owner.pk).first()
        if row is None:
            raise NotAuthenticated
        return row

    @property
    def origin(self) -> Origin:
        """Who is making the change, for the audit trail."""
        return Origin(source=LogSource.API, actor=f"user:{self.owner.pk}")

    def withheld(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the provider's secrets that belong to an answer given earlier; they were not kept with it."""
        return {}

    def validated(self, default: type[BaseSerializer[Any]], data: Any) -> dict[str, Any]:
        """Return ``data`` as the serializer accepts it.

        Raises:
            ValidationError: it does not.
        """
        serializer = serializer_class(default)(data=data, context={"request": self.request, "view": self})
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values

    def represented(self, default: type[BaseSerializer[Any]], instance: Any, **context: Any) -> Any:
        """Return ``instance`` as the serializer shows it."""
        context |= {"request": self.request, "view": self}
        many = isinstance(instance, list)
        return serializer_class(default)(instance, many=many, context=context).data


class ActionView(GatewayAPIView):
    """A view that changes something, and may need permissions of its own."""

    calls_provider = True
    #: Its name in ``STRIPE_GATEWAY_ACTION_PERMISSIONS``.
    action: ClassVar[str]

    def get_permissions(self) -> list[BasePermission]:
        """Return the permissions of the API, and those of this action."""
        own = gateway_settings.action_permissions.get(self.action, ())
        return [*super().get_permissions(), *(import_string(path)() for path in own)]

    @property
    def base_url(self) -> str:
        """Scheme and host for addresses that customers come back to, while the settings name none."""
        return "" if gateway_settings.payment_host else self.request.build_absolute_uri("/")
