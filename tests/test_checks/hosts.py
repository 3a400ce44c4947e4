"""Small host projects, each in a folder of its own, whose `manage.py` runs in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import django_stripe_gateway

SOURCE = Path(django_stripe_gateway.__file__).parent.parent
DJANGO_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "rest_framework",
]
SETTINGS = """
SECRET_KEY = "x" * 60
DEBUG = True
ROOT_URLCONF = "host_urls"
INSTALLED_APPS = {apps!r}
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [{{
    "BACKEND": "django.template.backends.django.DjangoTemplates",
    "APP_DIRS": True,
    "OPTIONS": {{"context_processors": [
        "django.template.context_processors.request",
        "django.contrib.auth.context_processors.auth",
        "django.contrib.messages.context_processors.messages",
    ]}},
}}]
DATABASES = {{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {database!r}}}}}
"""
URLS = """
from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("django_stripe_gateway.urls")),
]
"""
KEYS = {
    "STRIPE_GATEWAY_API_KEY": "sk_test_" + "a" * 24,
    "STRIPE_GATEWAY_WEBHOOK_SECRET": "whsec_secret",
    "PAYMENT_HOST": "shop.test",
}


class Host:
    """A project that has this app in `INSTALLED_APPS`, its keys, its host and its URLs: the smallest set-up.

    Settings given by keyword are added; `apps` go before the app, `later_apps` after it. `None` removes a setting.
    """

    def __init__(self, folder: Path, apps: tuple[str, ...] = (), later_apps: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.installed = [*DJANGO_APPS, *apps, "django_stripe_gateway", *later_apps]
        self.write("host_urls.py", URLS)

    def write(self, name: str, text: str) -> None:
        """Write a file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def add_app(self, name: str, **files: str) -> None:
        """Write an app; `models` and `admin` are the texts of its modules."""
        self.write(f"{name}/__init__.py", "")
        for module, text in files.items():
            self.write(f"{name}/{module}.py", text)

    def run(self, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
        """Run `manage.py` with the given settings, and return what it printed."""
        lines = [SETTINGS.format(apps=self.installed, database=str(self.folder / "db.sqlite3"))]
        values: Mapping[str, Any] = {**KEYS, **settings}
        lines += [f"{name} = {value!r}" for name, value in values.items() if value is not None]
        self.write("host_settings.py", "\n".join(lines))
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "host_settings",
            "PYTHONPATH": os.pathsep.join([str(self.folder), str(SOURCE)]),
            "PYTHONWARNINGS": "error",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return subprocess.run(
            [sys.executable, "-m", "django", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def check(self, *arguments: str, **settings: Any) -> str:
        """Run `manage.py check`; return what it printed, which is never a traceback."""
        done = self.run("check", *arguments, **settings)
        printed = done.stdout + done.stderr
        assert "Traceback" not in printed, printed
        return printed
