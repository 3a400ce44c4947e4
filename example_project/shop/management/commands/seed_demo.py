"""Fill a development database with what the demo shows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from rest_framework.authtoken.models import Token

from django_stripe_gateway.models import Plan, PlanLimit
from shop.database import migrate_or_replace
from shop.demo import CREDENTIALS

FREE_PER_DAY = {"minutes": 180, "megabytes": 300}


class Command(BaseCommand):
    """Add the demo user with its token, an administrator, and a free plan; running it again restores them."""

    help = "Add the demo user with its token, and an administrator, to a development database."
    # Some checks connect to the database: whoever is refused makes none.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Accept --migrate and --plans."""
        parser.add_argument("--migrate", action="store_true", help="bring the database up to date before")
        parser.add_argument("--plans", action="store_true", help="add plans, here and at Stripe")

    def handle(self, *args: Any, **options: Any) -> None:
        """Seed each part; every part can be repeated."""
        if not settings.DEBUG:
            raise CommandError("The demo's passwords are public: seed_demo runs in development only.")
        self.check()
        if options["migrate"]:
            self.migrate()
        self.seed_users()
        if options["plans"]:
            call_command("seed_subscriptions", stdout=self.stdout)
        else:
            self.seed_free_plan()

    def migrate(self) -> None:
        """Bring the database up to date, and say so if it had to be made anew."""
        try:
            aside = migrate_or_replace()
        except DatabaseError as error:
            raise CommandError(f"The database could not be migrated: {error}") from error
        if aside is not None:
            message = f"The database was of an older shape. It is {aside.name} now, and a new one was made."
            self.stderr.write(message, self.style.WARNING)

    def seed_users(self) -> None:
        """Add the two users, whose passwords are known."""
        user = self.seed_user(CREDENTIALS.username, CREDENTIALS.password, is_admin=False)
        self.seed_user(CREDENTIALS.admin_username, CREDENTIALS.admin_password, is_admin=True)
        if not Token.objects.filter(user=user, key=CREDENTIALS.token).exists():
            Token.objects.filter(user=user).delete()
            Token.objects.create(user=user, key=CREDENTIALS.token)

    def seed_free_plan(self) -> None:
        """Add a plan for everybody without a subscription, unless there is one."""
        if Plan.objects.default() is None:
            free, _created = Plan.objects.get_or_create(slug="free", defaults={"name": "Free", "is_default": True})
            for metric, limit in FREE_PER_DAY.items():
                PlanLimit.objects.get_or_create(plan=free, metric=metric, defaults={"limit": limit})

    def seed_user(self, username: str, password: str, *, is_admin: bool) -> Any:
        """Add one user, or bring it back to what the demo says about it."""
        user, _created = get_user_model().objects.get_or_create(
            username=username, defaults={"email": f"{username}@example.com"}
        )
        user.is_active = True
        user.is_staff = user.is_superuser = is_admin
        # A new hash would log the user out.
        if not user.check_password(password):
            user.set_password(password)
        user.save()
        return user
