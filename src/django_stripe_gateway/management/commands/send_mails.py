"""Send the e-mails to customers that are due, and look for cards that expire."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from django_stripe_gateway.choices import MailState
from django_stripe_gateway.management.descriptions import describe
from django_stripe_gateway.management.output import GatewayCommand, Progress, table
from django_stripe_gateway.services.mails.cards import announce_expiring_cards
from django_stripe_gateway.services.mails.send import send_again, send_due_mails, stored_mails

AGAIN = (MailState.DEAD.value, MailState.UNKNOWN.value)


class Command(GatewayCommand):
    """Run it from cron every minute, and with --cards every night; several at once share the work."""

    help = describe(__module__, __doc__)

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add ``--cards`` and ``--again``."""
        parser.add_argument(
            "--cards", action="store_true", help="first look for cards that expire soon, and are charged"
        )
        parser.add_argument(
            "--again", choices=AGAIN, help="first take up again what was given up, or of which nobody knows"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Send, and print what became of the e-mails; fails if some were given up or have become unclear."""
        if options["cards"]:
            self.stdout.write(f"cards that expire soon  {sum(1 for _card in announce_expiring_cards())}")
        if options["again"]:
            self.stdout.write(f"taken up again  {send_again(stored_mails().filter(state=options['again']))}")
        states: Counter[str] = Counter()
        progress = Progress(self.stdout, "handled")
        for mail in send_due_mails():
            states[mail.state] += 1
            progress.add()
        progress.end()
        self.stdout.write("\n".join(table(MailState.values, states)))
        if states[MailState.DEAD] or states[MailState.UNKNOWN]:
            raise CommandError("Some e-mails were given up, or may not have arrived. The admin shows which, and why.")
