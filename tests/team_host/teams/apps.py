"""The app's configuration."""

from django.apps import AppConfig


class TeamsConfig(AppConfig):
    """Teams."""

    name = "tests.team_host.teams"
    label = "teams"
