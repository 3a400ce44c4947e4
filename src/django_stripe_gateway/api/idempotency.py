"""``Idempotency-Key``: a repeated request gets the first answer again, and never does its work twice.

A key is claimed by a committed row before the work begins. The answer is stored on the row; until then a repeat of the
same request carries on with the same operations, because the services get a key that belongs to the row. So a process
that dies in between locks nothing for ever, and two requests at once lead to one provider call.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import IntegrityError, router, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from django_stripe_gateway.api.base import GatewayAPIView
from django_stripe_gateway.api.errors import error_body, status_of
from django_stripe_gateway.conf import gateway_settings
from django_stripe_gateway.exceptions import IdempotencyKeyReused, InvalidInput, OperationInProgress, PaymentDeclined
from django_stripe_gateway.models import IdempotencyKey

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
MAX_TRIES = 3
# Secrets of the provider are handed on, never stored; the view fetches them again for a replay.
WITHHELD = ("client_secret", "action_url", "guest_token")
# A guest's key is all that tells one guest from another: nobody may guess it. A UUID is long and varied enough.
GUEST_KEY_LENGTH, GUEST_KEY_VARIETY = 32, 8
# Nothing was begun when these are answered, so the key may come back with a corrected request.
RELEASING = frozenset(range(400, 500)) - {status.HTTP_402_PAYMENT_REQUIRED, status.HTTP_409_CONFLICT}


class Claim(NamedTuple):
    """A key's row, and whether it is this request's own, and not the first one's."""

    row: IdempotencyKey
    is_new: bool


def idempotent(handler: Callable[..., Response]) -> Callable[..., Response]:
    """Let a ``post`` handler accept ``Idempotency-Key``; the handler gets ``idempotency_key`` for its service.

    Raises:
        InvalidInput: the key is empty, too long or not printable ASCII.
        IdempotencyKeyReused: it belongs to another request.
    """

    @functools.wraps(handler)
    def post(view: GatewayAPIView, request: Request, *args: Any, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER)
        if key is None:
            return handler(view, request, *args, idempotency_key=None, **kwargs)
        if not KEY.fullmatch(key):
            text = _("An Idempotency-Key has 1 to 255 printable ASCII characters.")
            raise InvalidInput(text, code="invalid_idempotency_key", field=HEADER)
        row, is_new = _claim(view, request, key)
        if row.response_status is not None:
            return _replay(view, row, kwargs)
        # The services' key is apart for each life of the caller's, which can be used again when it has expired.
        known_as = f"{row.pk}:{row.guest_digest or row.key}"
        try:
            response = handler(view, request, *args, idempotency_key=known_as, **kwargs)
        except PaymentDeclined as error:
            _store(row, error.status_code, error_body(error))
            raise
        except Exception as error:
            if is_new and status_of(error) in RELEASING:
                row.delete()
            raise
        _store(row, response.status_code, response.data)
        return response

    # The OpenAPI document says so.
    post.takes_idempotency_key = True  # type: ignore[attr-defined]
    return post


def _claim(view: GatewayAPIView, request: Request, key: str) -> Claim:
    """Claim a user's key, or a guest's: below a payment apart for each token that it comes with, right or wrong."""
    if not view.is_guest:
        return claim_key(view.owner, view.idempotency_scope, key, fingerprint(key, request))
    # Before there is a payment there is no token, and what comes in its place opens nothing.
    token = view.guest_token if "payment_id" in view.kwargs else ""
    if not token and (len(key) < GUEST_KEY_LENGTH or len(set(key)) < GUEST_KEY_VARIETY):
        text = _("Without signing in, an Idempotency-Key has to be random, such as a UUID.")
        raise InvalidInput(text, code="weak_idempotency_key", field=HEADER)
    digest = hashlib.sha256("\n".join([token, key]).encode()).hexdigest()
    return claim_key(None, "", digest, fingerprint(key, request))


def fingerprint(key: str, request: Request) -> str:
    """Return what must be the same for a repeat: the key to the letter (a database may compare without case), method,
    path and body.
    """
    body = json.dumps(request.data, sort_keys=True, separators=(",", ":"), default=str)
    text = "\n".join([key, str(request.method), request.path, body])
    return hashlib.sha256(text.encode()).hexdigest()


def claim_key(owner: Any, scope: str, key: str, request_fingerprint: str) -> Claim:
    """Return the claim on ``key``: a new one, or the one of the first request.

    Args:
        owner: the user who asks; ``None`` for a guest, whose ``key`` is a digest.
        scope: for whom the user asks, where that is somebody else.

    Raises:
        IdempotencyKeyReused: it belongs to another request.
    """
    database = router.db_for_write(IdempotencyKey)
    rows = IdempotencyKey.objects.using(database)
    named = {"guest_digest": key} if owner is None else {"owner_id": owner.pk, "scope": scope, "key": key}
    for _try in range(MAX_TRIES):
        row = rows.filter(**named).first()
        if row is None:
            try:
                with transaction.atomic(using=database):
                    made = rows.create(**named, fingerprint=request_fingerprint)
                    return Claim(made, is_new=True)
            except IntegrityError:
                # Another request with this key was first.
                continue
        is_repeat = row.fingerprint == request_fingerprint
        # What has not been answered may still be under way at the provider: a repeat carries on, however late.
        expired = row.created < timezone.now() - timedelta(seconds=gateway_settings.idempotency_key_ttl)
        if expired and not (is_repeat and row.response_status is None):
            rows.filter(pk=row.pk, created=row.created).delete()
            continue
        if not is_repeat:
            raise IdempotencyKeyReused(_("This Idempotency-Key was used with another request. Use a new one."))
        return Claim(row, is_new=False)
    raise OperationInProgress(_("Other requests with this Idempotency-Key keep coming first."), retry_after=1)


def _store(row: IdempotencyKey, response_status: int, data: Any) -> None:
    """Keep the answer; of two requests that carried on at once, the first one's."""
    kept = {name: "" if name in WITHHELD else value for name, value in data.items()}
    IdempotencyKey.objects.using(router.db_for_write(IdempotencyKey)).filter(pk=row.pk, response_status=None).update(
        response_status=response_status, response_body=json.dumps(kept, cls=JSONEncoder)
    )


def _replay(view: GatewayAPIView, row: IdempotencyKey, path: dict[str, Any]) -> Response:
    body = json.loads(row.response_body)
    # The answer is of what the user may have lost the right to since.
    view.check_repeat(body, path)
    if any(name in body for name in WITHHELD):
        body |= view.withheld(body)
    return Response(body, status=row.response_status, headers={REPLAYED: "true"})
