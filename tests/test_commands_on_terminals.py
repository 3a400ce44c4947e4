"""Commands print on terminals that do not know every character."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command, get_commands, load_command_class

from django_stripe_gateway.management.output import GatewayCommand
from tests.billing_factories import make_plan
from tests.factories import make_payment

APP = "django_stripe_gateway"
COMMANDS = sorted(name for name, app in get_commands().items() if app == APP)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command(name: str) -> None:
    assert isinstance(load_command_class(APP, name), GatewayCommand)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help(name: str, encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    with pytest.raises(SystemExit) as ended:
        load_command_class(APP, name).run_from_argv(["manage.py", name, "--help"])
    assert ended.value.code == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_what_rows_hold(encoding: str, user: Any) -> None:
    terminal = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    plan = make_plan("pro", name="Pro → \U0001f600")
    make_payment(owner=user, description="\U0001f600", total=Decimal(10))
    # It finds something to do: nobody answers in Stripe's place.
    with contextlib.suppress(SystemExit):
        call_command("doctor", stdout=terminal)
    terminal.write(str(plan))
    call_command("reconcile", "--older-than", "0", verbosity=2, stdout=terminal)


def test_process_of_its_own(tmp_path: Path) -> None:
    """Python's own streams, as a cron job without a locale has them."""
    environment = os.environ | {
        **{"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        **{"DJANGO_SETTINGS_MODULE": "tests.settings", "TEST_DATABASE_URL": f"sqlite:///{tmp_path}/none.sqlite3"},
    }
    root = Path(__file__).parent.parent
    for name in ("close_account", "replay_webhooks"):
        command = [sys.executable, "-m", "django", name, "--help"]
        answer = subprocess.run(command, cwd=root, env=environment, capture_output=True, timeout=100)
        assert answer.returncode == 0, answer.stderr
        assert b"Traceback" not in answer.stderr
