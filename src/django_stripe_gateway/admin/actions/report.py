"""Show staff what became of each object; one that fails does not stop the others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _

from django_stripe_gateway.exceptions import GatewayError, ProviderUnavailable

logger = logging.getLogger(__name__)


@contextmanager
def reported_errors(model_admin: admin.ModelAdmin[Any], request: HttpRequest, label: str) -> Iterator[None]:
    """Turn an error about ``label`` into a message."""
    try:
        yield
    except GatewayError as error:
        report_error(model_admin, request, label, error)
    except Exception:
        # What was done to the objects before this one has to be shown all the same.
        logger.exception("An action of the admin failed: %s", label)
        text = _("%(label)s: failed unexpectedly; the log says why.") % {"label": label}
        model_admin.message_user(request, text, messages.ERROR)


def report_error(model_admin: admin.ModelAdmin[Any], request: HttpRequest, label: str, error: GatewayError) -> None:
    """Add a message about a refusal, or a warning about an answer that is missing."""
    text = f"{label}: {error.detail}"
    if error.request_id:
        text = f"{text} ({error.request_id})"
    if isinstance(error, ProviderUnavailable):
        hint = _("Whether it was done is not known; repeating it carries on, and does not do it twice.")
        model_admin.message_user(request, f"{text} {hint}", messages.WARNING)
    else:
        model_admin.message_user(request, text, messages.ERROR)
