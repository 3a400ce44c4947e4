"""Read the environment: real variables first, then `.env.local`, then `.env`; problems become one sentence."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

EXAMPLE = Path(__file__).resolve().parent.parent
FOLDERS = (EXAMPLE, EXAMPLE.parent)
FILES = (".env.local", ".env")
CONFIGURATIONS = ("Development", "Staging", "Production")
TRUE = {"true", "yes", "on", "1"}
FALSE = {"false", "no", "off", "0"}
LINE = re.compile(r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*)")


class EnvironmentProblem(ImproperlyConfigured):
    """A variable is missing or wrong. Reads as the sentence alone: django-configurations puts words in front of it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


def prepare_environment() -> None:
    """Load the files and name the settings, before Django or django-configurations are asked for anything."""
    for name in FILES:
        for folder in FOLDERS:
            load_env_file(folder / name)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    if not os.environ.get("DJANGO_CONFIGURATION"):
        os.environ["DJANGO_CONFIGURATION"] = CONFIGURATIONS[0]


def check_configuration() -> None:
    """Refuse a configuration that does not exist."""
    name = os.environ["DJANGO_CONFIGURATION"]
    if name not in CONFIGURATIONS:
        raise EnvironmentProblem(f"DJANGO_CONFIGURATION is {name!r}, but must be one of {', '.join(CONFIGURATIONS)}.")


def load_env_file(path: Path) -> None:
    """Set the variables of one file that are not set yet; a file that is not there is fine."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentProblem(f"{path} cannot be read ({error}).") from error
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = LINE.fullmatch(stripped)
        if match is None:
            # The line itself stays out of the sentence: it may be half of a secret.
            raise EnvironmentProblem(f"Line {number} of {path} is not NAME=value.")
        os.environ.setdefault(match["name"], unquoted(match["value"]))


def unquoted(value: str) -> str:
    """Return a value of a file without its quotes, or without the comment that follows it."""
    for quote in ("'", '"'):
        if value.startswith(quote) and (end := value.find(quote, 1)) > 0:
            return value[1:end]
    return re.split(r"(?:^|\s+)#", value, maxsplit=1)[0].strip()


def text(name: str, default: str = "") -> str:
    """Return a variable; one that is empty counts as not set."""
    return os.environ.get(name, "").strip() or default


def words(name: str, default: list[str]) -> list[str]:
    """Return a variable that holds several values, separated by commas."""
    return [word.strip() for word in text(name).split(",") if word.strip()] or default


def flag(name: str, *, default: bool) -> bool:
    """Return a variable that says yes or no."""
    value = text(name).lower()
    if not value:
        return default
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise EnvironmentProblem(f"{name} is {value!r}, but must be True or False.")


def address(name: str, default: str = "") -> str:
    """Return a variable that holds the address of a server."""
    value = text(name, default)
    try:
        parts = urlsplit(value)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if value and not valid:
        raise EnvironmentProblem(f"{name} is {value!r}, but must be an address such as http://127.0.0.1:8420.")
    return value.rstrip("/")


def host(name: str, default: str = "") -> str:
    """Return a variable that holds a host, with a port or without."""
    value = text(name, default)
    if "/" in value or "@" in value or " " in value:
        raise EnvironmentProblem(f"{name} is {value!r}, but must be a host without http://, such as shop.example.com.")
    return value


def database(name: str, default: str) -> dict[str, Any]:
    """Return Django's settings for the database that a variable names."""
    try:
        settings = dict(dj_database_url.parse(text(name, default)))
    except (ValueError, dj_database_url.ParseError, dj_database_url.UnknownSchemeError) as error:
        # The value stays out of the sentence: it may hold a password.
        raise EnvironmentProblem(
            f"{name} is not the address of a database; write sqlite:///path, postgres://user:password@host/name or "
            "mysql://user:password@host/name."
        ) from error
    return settings
