#!/usr/bin/env python
"""Django's command line for the example site."""

from __future__ import annotations

import sys

from django.core.exceptions import ImproperlyConfigured

from config.environment import check_configuration, prepare_environment


def main() -> None:
    """Run a command, or say in one sentence which variable keeps it from running."""
    try:
        prepare_environment()
        # Reads DJANGO_CONFIGURATION, and the option --configuration, when it is imported.
        from configurations.management import execute_from_command_line  # noqa: PLC0415

        check_configuration()
        load_settings()
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    execute_from_command_line(sys.argv)


def load_settings() -> None:
    """Load the settings now: Django would keep the problem for later and show it with a traceback."""
    from django.conf import settings  # noqa: PLC0415

    _ = settings.INSTALLED_APPS


if __name__ == "__main__":
    main()
