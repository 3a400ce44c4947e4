"""A user with a UUID for a primary key."""

from __future__ import annotations

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class Person(AbstractUser):
    """Somebody who buys."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
