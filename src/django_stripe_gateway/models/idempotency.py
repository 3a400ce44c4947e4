"""Answers that are given again when a caller repeats an ``Idempotency-Key``."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class IdempotencyKey(models.Model):
    """One key of one user, or of a guest: which request it was first used with, and what was answered."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+", db_index=False
    )
    # For whom the user has asked, where a team or the like is billed: its primary key.
    scope = models.CharField(max_length=64, blank=True, default="", editable=False)
    key = models.CharField(_("key"), max_length=255)
    # In place of the key where nobody has signed in: a digest, for a guest's key is what their answer is known by.
    guest_digest = models.CharField(max_length=64, null=True, unique=True, editable=False)
    fingerprint = models.CharField(max_length=64, editable=False)
    response_status = models.PositiveSmallIntegerField(_("status"), null=True, blank=True)
    response_body = models.TextField(blank=True, default="", editable=False)
    created = models.DateTimeField(_("created"), auto_now_add=True, db_index=True)

    class Meta:
        verbose_name = _("idempotency key")
        verbose_name_plural = _("idempotency keys")
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["owner", "scope", "key"], name="dsg_idempotency_owner_key"),
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.response_status or 'open'})"
