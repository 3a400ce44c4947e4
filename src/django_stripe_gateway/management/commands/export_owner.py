"""Write everything that is stored about an owner, as JSON without secrets."""

from __future__ import annotations

import json
import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.leaving import add_whom, whom
from django_stripe_gateway.management.output import GatewayCommand, table
from django_stripe_gateway.services.leaving.export import export_owner


class Command(GatewayCommand):
    """It reads, and changes nothing; the file holds personal data, so keep it where only its owner can read it."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add whom and ``--output``."""
        add_whom(parser)
        parser.add_argument("--output", metavar="FILE", help="where the JSON goes (default: standard output)")
        parser.add_argument("--force", action="store_true", help="replace the file if it is there")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the JSON; with a file, print how much there is of what."""
        exported = export_owner(**whom(options))
        text = json.dumps(exported, indent=2, sort_keys=True)
        if not options["output"]:
            self.stdout.write(text)
            return
        try:
            _write(Path(options["output"]), f"{text}\n", is_replaced=options["force"])
        except FileExistsError:
            raise CommandError(f"{options['output']} is there already. Replace it with --force.") from None
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror}.") from error
        counts = {name: len(rows) for name, rows in exported.items() if name != "usage"}
        counts["usage"] = sum(map(len, exported["usage"].values()))
        self.stdout.write("\n".join(table(counts, counts)))


def _write(path: Path, text: str, *, is_replaced: bool) -> None:
    """Write a file that its owner alone can read, from its first byte on."""
    if is_replaced:
        path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
