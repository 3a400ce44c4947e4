"""The host's own app."""

from django.apps import AppConfig


class PeopleConfig(AppConfig):
    """Users that are known by a UUID."""

    name = "tests.elsewhere.people"
    label = "people"
    default_auto_field = "django.db.models.BigAutoField"
