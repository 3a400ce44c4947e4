"""How a request to the API comes in and is answered: its body, credentials, permissions, rate, serializers, errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import IO, Any, ClassVar, NoReturn

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import RequestDataTooBig
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import connections
from django.db.models import Model
from django.http import UnreadablePostError
from django.utils.cache import patch_vary_headers
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import NotAuthenticated, ParseError
from rest_framework.pagination import BasePagination
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer, Serializer
from rest_framework.settings import api_settings
from rest_framework.views import APIView

from django_stripe_gateway.api.access import check_fields, check_may
from django_stripe_gateway.api.errors import handle_exception
from django_stripe_gateway.api.openapi.optional import view_schema
from django_stripe_gateway.api.throttling import GatewayRateThrottle, GuestThrottle
from django_stripe_gateway.api.unknown_keys import check_keys, check_query
from django_stripe_gateway.choices import LogSource
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.services.bodies import keep_body
from django_stripe_gateway.services.origins import Origin

SerializerClass = type[BaseSerializer[Any]]
# In a header: addresses are written into logs.
GUEST_HEADER = "Guest-Token"
# What asks for nothing but that somebody has signed in; whatever else a host asks for counts for guests, too.
SIGNED_IN = frozenset({"rest_framework.permissions.IsAuthenticated"})


class NothingSerializer(Serializer[Any]):
    """A body with nothing in it."""


class ExactJSONParser(JSONParser):
    """Numbers with a point become ``Decimal``; ``NaN`` and ``Infinity`` are no JSON.

    Bodies above ``DATA_UPLOAD_MAX_MEMORY_SIZE`` are refused, which older releases of DRF leave to the server.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the body as Python values."""
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        try:
            body = stream.read() if limit is None else stream.read(limit + 1)
            keep_body(stream, body)
            if limit is not None and len(body) > limit:
                raise RequestDataTooBig
            return json.loads(body.decode(), parse_float=Decimal, parse_constant=_refuse)
        except UnreadablePostError:
            raise ParseError(_("The body could not be read.")) from None
        except (ValueError, ArithmeticError, RecursionError):
            raise ParseError(_("The body is not valid JSON.")) from None


def _refuse(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is no JSON")


def serializer_in_use(default: SerializerClass) -> SerializerClass:
    """Return what ``STRIPE_GATEWAY_SERIALIZERS`` puts in place of ``default``, or ``default``.

    The setting's names are those of the classes without their ending: ``Payment``, ``CreatePayment``. A replacement is
    best a subclass; what a replaced ``CreatePayment`` validates beyond its fields goes to the host's own payment model.
    """
    path = gateway_settings.serializers.get(default.__name__.removesuffix("Serializer"))
    replacement: SerializerClass = import_string(path) if path else default
    return replacement


def is_key(model: type[Model], text: str) -> bool:
    """Return whether ``text`` is a primary key of ``model`` exactly as we write it."""
    field = model._meta.pk
    try:
        return str(field.to_python(text)) == text
    except DjangoValidationError:
        return False


class GatewayAPIView(APIView):
    """Authentication, permissions, throttles and error shape, from the settings as they are at the request."""

    # A host's versioning scheme belongs to the host's own views; it would answer 404 to these.
    versioning_class = None
    parser_classes = (ExactJSONParser,)
    throttle_classes = (*APIView.throttle_classes, GatewayRateThrottle, GuestThrottle)
    pagination_class: ClassVar[type[BasePagination]]
    #: Name of the rate in ``STRIPE_GATEWAY_THROTTLE_RATES``.
    rate_scope: ClassVar[str] = ""
    #: The same for what guests do besides.
    guest_scope: ClassVar[str] = ""
    #: The name in ``STRIPE_GATEWAY_ACTION_PERMISSIONS`` of what it changes.
    action: ClassVar[str] = ""
    #: Answers who has not signed in where ``STRIPE_GATEWAY_GUEST_PAYMENTS`` says so.
    takes_guests: ClassVar[bool] = False
    #: Needs no permission, and is answered to whoever asks.
    is_public: ClassVar[bool] = False
    #: Others add to its address what they like.
    takes_any_query: ClassVar[bool] = False
    #: What fails at the provider fails the request too.
    calls_provider: ClassVar[bool] = False
    #: The group that its operations stand in, in the OpenAPI document.
    tag: ClassVar[str] = ""
    #: Name of its operation where it inherits another view's handler.
    operation_id: ClassVar[str] = ""
    #: Serializer that has the parts of its path as fields.
    path_serializer: ClassVar[SerializerClass | None] = None
    schema = view_schema()
    serializer_in_use = staticmethod(serializer_in_use)

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        """Return the view, outside of ``ATOMIC_REQUESTS`` on whichever database holds the payments.

        The services commit what they are about to do before they call the provider: no transaction may be around them.
        Who may ask is for the settings to say, and not for a site whose pages all need a login: that knows no tokens.
        """
        view: Any = super().as_view(**initkwargs)
        view._non_atomic_requests = set(connections)
        view.login_required = False
        return view

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return the authentication of the settings; by default DRF's as it is now, not as it was at the import."""
        paths = gateway_settings.authentication_classes
        classes: Any = api_settings.DEFAULT_AUTHENTICATION_CLASSES if paths is None else map(import_string, paths)
        return [authentication() for authentication in classes]

    def get_permissions(self) -> list[BasePermission]:
        """Return the permissions of the settings, those of this action besides; none for a public view.

        Reading is no action, also where it has the address of one: who may see is for the settings of all to say.
        """
        if self.is_public:
            return []
        general = [path for path in gateway_settings.permission_classes if not (self.is_guest and path in SIGNED_IN)]
        is_action = self.request.method not in SAFE_METHODS
        own = gateway_settings.action_permissions.get(self.action, ()) if is_action else ()
        return [import_string(path)() for path in (*general, *own)]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Refuse reading with a query parameter that nobody knows: a misspelt one would give a wider list."""
        super().initial(request, *args, **kwargs)
        declared = getattr(getattr(self, str(request.method).lower(), None), "operation", None)
        if declared is not None and request.method in SAFE_METHODS and not self.takes_any_query:
            check_query(request.query_params, self.known_query(declared.query))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Keep answers about somebody out of every cache: a site may have one in front of all its views."""
        response = super().finalize_response(request, response, *args, **kwargs)
        if not self.is_public:
            # Django's own cache middleware heeds the first word, others the second.
            response["Cache-Control"] = "private, no-store"
        if self.takes_guests:
            patch_vary_headers(response, [GUEST_HEADER])
        return response

    def known_query(self, query: SerializerClass | None) -> set[str]:
        """Return the names of the query parameters that a handler reads; it declares ``query``."""
        # ``None`` where a host has turned it off.
        known = set(filter(None, [api_settings.URL_FORMAT_OVERRIDE]))
        if query is not None:
            known |= set(getattr(serializer_in_use(query)(), "fields", ()))
        return known | set(getattr(getattr(self, "pagination_class", None), "query", ()))

    def get_exception_handler(self) -> Callable[..., Response]:
        """Return the handler that knows the one error shape."""
        return handle_exception

    @property
    def is_guest(self) -> bool:
        """Whether nobody has signed in, and need not."""
        if not self.takes_guests or not gateway_settings.guest_payments:
            return False
        user = getattr(self.request, "user", None)
        return user is None or not user.is_authenticated

    @property
    def guest_token(self) -> str:
        """The secret that a guest sends along, as it came; empty if there is none."""
        return str(self.request.headers.get(GUEST_HEADER, ""))

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
        model, owner = get_user_model(), self.owner
        row = owner if isinstance(owner, model) else model._default_manager.filter(pk=owner.pk).first()
        if row is None:
            raise NotAuthenticated
        return row

    @property
    def origin(self) -> Origin:
        """Who is making the change, for the audit trail."""
        return Origin(source=LogSource.API, actor="guest" if self.is_guest else f"user:{self.owner.pk}")

    @property
    def base_url(self) -> str:
        """Scheme and host for addresses that customers come back to, while the settings name none."""
        return "" if gateway_settings.payment_host else self.request.build_absolute_uri("/")

    @property
    def idempotency_scope(self) -> str:
        """For whom the user asks, where that is somebody else: a key finds no answer that was given for another."""
        return ""

    def check_repeat(self, body: dict[str, Any], path: Mapping[str, Any]) -> None:
        """Refuse to give an earlier answer again to whoever may not ask for it any more; its state does not matter.

        Args:
            body: the answer.
            path: the parts of the address.

        Raises:
            NotFound: what it is about is out of the user's reach.
            PermissionDenied: this is the seller's to do.
        """
        if self.action:
            check_may(self.request, self.action)
        check_fields(self.request)

    def withheld(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the provider's secrets that belong to an answer given earlier; they were not kept with it."""
        return {}

    def validated(self, default: SerializerClass, data: Any) -> dict[str, Any]:
        """Return ``data`` as the serializer accepts it.

        Raises:
            ValidationError: it does not.
        """
        serializer = serializer_in_use(default)(data=data, context={"request": self.request, "view": self})
        if data is self.request.data:
            check_keys(serializer, data)
        serializer.is_valid(raise_exception=True)
        values: dict[str, Any] = serializer.validated_data
        return values

    def answer(self, default: SerializerClass, instance: Any, *, status: int = 200, **context: Any) -> Response:
        """Answer with ``instance`` as the serializer shows it."""
        context |= {"request": self.request, "view": self}
        serializer = serializer_in_use(default)(instance, many=isinstance(instance, list), context=context)
        return Response(serializer.data, status=status)

    def page(self, default: SerializerClass, rows: Any, **context: Any) -> Response:
        """Answer with the page of ``rows`` that the request asks for."""
        paginator = self.pagination_class()
        page: Any = paginator.paginate_queryset(rows, self.request, self)
        return paginator.get_paginated_response(self.answer(default, page, **context).data)
