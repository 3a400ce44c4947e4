"""``--help`` of each command says first what the command does, and then what each option does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand

import django_stripe_gateway

PACKAGE = "django_stripe_gateway"
COMMANDS = sorted(
    path.stem
    for path in (Path(django_stripe_gateway.__file__).parent / "management" / "commands").glob("*.py")
    if path.stem != "__init__"
)


def words(text: str) -> str:
    """Return a text in one line."""
    return " ".join(text.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_begins_with_what_the_command_does(name: str) -> None:
    command: Any = load_command_class(PACKAGE, name)
    described = words(command.create_parser("manage.py", name).format_help().split("\n\n")[1])
    # What stands at the class says how to run it, and is no answer alone.
    assert not described.startswith(words(type(command).__doc__ or ""))
    assert described[0].isupper()
    assert described.endswith(".")
    assert "``" not in described


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help(name: str) -> None:
    command: Any = load_command_class(PACKAGE, name)
    inherited = {action.dest for action in BaseCommand().create_parser("manage.py", name)._actions}
    own = [action for action in command.create_parser("manage.py", name)._actions if action.dest not in inherited]
    assert [action.dest for action in own if not action.help] == []
