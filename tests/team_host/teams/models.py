"""Who is billed."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models


class Company(models.Model):
    """Whose teams go when it goes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=50)

    def __str__(self) -> str:
        return self.name


class Team(models.Model):
    """Some users with one bill."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    name = models.CharField(max_length=50)
    billing_email = models.EmailField()
    company = models.ForeignKey(Company, null=True, on_delete=models.CASCADE)
    members = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="teams")

    def __str__(self) -> str:
        return self.name
