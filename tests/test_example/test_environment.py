"""The example project's variables: where they are read, and one sentence for each that is missing or wrong."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess

import pytest

from tests.test_example.site import CHECKOUT, EXAMPLE, PUBLIC, Site


def assert_sentence(done: subprocess.CompletedProcess[str], *names: str) -> None:
    """Assert that a command has ended with code 1 and one sentence that names the variables."""
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.endswith(".\n")
    for name in names:
        assert name in done.stderr


def without(variables: dict[str, str], *names: str) -> dict[str, str]:
    """Return ``variables`` less some of them."""
    return {name: value for name, value in variables.items() if name not in names}


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        (without(CHECKOUT, "STRIPE_API_KEY"), ["STRIPE_API_KEY"]),
        (without(CHECKOUT, "STRIPE_WEBHOOK_SECRET"), ["STRIPE_WEBHOOK_SECRET"]),
        ({"USE_LOCALSTRIPE": "False"}, ["STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET"]),
        (CHECKOUT | {"STRIPE_API_KEY": " "}, ["STRIPE_API_KEY"]),
        (CHECKOUT | {"STRIPE_WEBHOOK_SECRET": ","}, ["STRIPE_WEBHOOK_SECRET"]),
        (without(PUBLIC, "STRIPE_API_KEY"), ["STRIPE_API_KEY"]),
        (without(PUBLIC, "SECRET_KEY"), ["SECRET_KEY"]),
        (without(PUBLIC, "ALLOWED_HOSTS"), ["ALLOWED_HOSTS"]),
        (PUBLIC | {"ALLOWED_HOSTS": " , "}, ["ALLOWED_HOSTS"]),
        (without(PUBLIC, "SECRET_KEY") | {"DJANGO_CONFIGURATION": "Staging"}, ["SECRET_KEY"]),
        (
            {"DJANGO_CONFIGURATION": "Production"},
            ["STRIPE_API_KEY", "STRIPE_WEBHOOK_SECRET", "SECRET_KEY", "ALLOWED_HOSTS"],
        ),
    ],
)
def test_missing_variables(site: Site, variables: dict[str, str], names: list[str]) -> None:
    assert_sentence(site.manage("check", **variables), *names)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("USE_LOCALSTRIPE", "maybe"),
        ("PAYMENT_USES_SSL", "2"),
        ("SECURE_SSL_REDIRECT", "no way"),
        ("DJANGO_CONFIGURATION", "Prod"),
        ("DATABASE_URL", "somewhere"),
        ("DATABASE_URL", "oops://user:hunter2@host/name"),
        ("DATABASE_URL", "postgres://user:hunter2@host:port/name"),
        ("LOCALSTRIPE_URL", "127.0.0.1:8420"),
        ("STRIPE_API_BASE", "http://[::1"),
        ("PAYMENT_HOST", "https://shop.example.com"),
    ],
)
def test_bad_values(site: Site, name: str, value: str) -> None:
    done = site.manage("check", **{name: value})
    assert_sentence(done, name)
    assert "hunter2" not in done.stderr


def test_bad_configuration_option(site: Site) -> None:
    assert_sentence(site.manage("check", "--configuration=Nowhere"), "DJANGO_CONFIGURATION", "Nowhere")


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_servers_raise_the_sentence(site: Site, server: str) -> None:
    done = site.run("-c", f"import config.{server}", cwd=site.example, USE_LOCALSTRIPE="False")
    assert done.returncode == 1
    assert "Set STRIPE_API_KEY (" in done.stderr.splitlines()[-1]
    assert "EnvironmentProblem" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("server", ["wsgi", "asgi"])
def test_servers_start(site: Site, server: str) -> None:
    done = site.run("-c", f"import config.{server} as server; print(callable(server.application))", cwd=site.example)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_development_needs_nothing(site: Site) -> None:
    done = site.manage("check", "--fail-level", "WARNING", cwd=site.root.parent)
    assert done.returncode == 0, done.stderr
    values = site.settings("DEBUG", "PAYMENT_HOST", "PAYMENT_USES_SSL", "SECURE_SSL_REDIRECT", "USE_LOCALSTRIPE")
    assert values == {
        "DEBUG": True,
        "PAYMENT_HOST": "localhost:8000",
        "PAYMENT_USES_SSL": False,
        "SECURE_SSL_REDIRECT": False,
        "USE_LOCALSTRIPE": True,
    }


def test_localstripe_never_sees_a_real_key(site: Site) -> None:
    values = site.settings(
        "STRIPE_GATEWAY_API_KEY",
        "STRIPE_GATEWAY_WEBHOOK_SECRET",
        STRIPE_API_KEY="sk_live_real",
        STRIPE_WEBHOOK_SECRET="whsec_new, whsec_old",
    )
    assert values == {
        "STRIPE_GATEWAY_API_KEY": "sk_test_123",
        "STRIPE_GATEWAY_WEBHOOK_SECRET": ["whsec_new", "whsec_old"],
    }


def test_every_variable_reaches_its_setting(site: Site) -> None:
    values = site.settings(
        "STRIPE_GATEWAY_API_KEY",
        "STRIPE_GATEWAY_API_BASE",
        "STRIPE_GATEWAY_API_VERSION",
        "STRIPE_GATEWAY_LOCALSTRIPE_URL",
        "STRIPE_GATEWAY_USE_LOCALSTRIPE",
        "PAYMENT_HOST",
        "PAYMENT_USES_SSL",
        "SECRET_KEY",
        "ALLOWED_HOSTS",
        "DEBUG",
        **PUBLIC,
        STRIPE_API_BASE="http://127.0.0.1:9/",
        STRIPE_API_VERSION="2026-10-28.endive",
        LOCALSTRIPE_URL="http://localstripe:8420",
    )
    assert values == {
        "STRIPE_GATEWAY_API_KEY": PUBLIC["STRIPE_API_KEY"],
        "STRIPE_GATEWAY_API_BASE": "http://127.0.0.1:9",
        "STRIPE_GATEWAY_API_VERSION": "2026-10-28.endive",
        "STRIPE_GATEWAY_LOCALSTRIPE_URL": "http://localstripe:8420",
        "STRIPE_GATEWAY_USE_LOCALSTRIPE": False,
        "PAYMENT_HOST": "shop.example.com",
        "PAYMENT_USES_SSL": True,
        "SECRET_KEY": PUBLIC["SECRET_KEY"],
        "ALLOWED_HOSTS": ["shop.example.com"],
        "DEBUG": False,
    }


def test_payment_host_defaults_to_the_first_host_name(site: Site) -> None:
    variables = without(PUBLIC, "PAYMENT_HOST") | {"ALLOWED_HOSTS": ".example.com, shop.example.com, other.example.com"}
    assert site.settings("PAYMENT_HOST", **variables) == {"PAYMENT_HOST": "shop.example.com"}


@pytest.mark.parametrize(
    ("url", "engine", "options"),
    [
        ("postgres://u:p@db/shop", "postgresql", {}),
        ("mysql://u:p@db/shop", "mysql", {"charset": "utf8mb4"}),
    ],
)
def test_database_servers(site: Site, url: str, engine: str, options: dict[str, str]) -> None:
    database = site.settings("DATABASES", DATABASE_URL=url)["DATABASES"]["default"]
    assert database["ENGINE"] == f"django.db.backends.{engine}"
    assert database["OPTIONS"].items() >= options.items()
    assert database["CONN_HEALTH_CHECKS"] is True
    assert not database.get("ATOMIC_REQUESTS")


def test_sqlite_database(site: Site) -> None:
    database = site.settings("DATABASES")["DATABASES"]["default"]
    assert database["NAME"] == str(site.database)
    assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_env_files__local_wins_and_the_real_environment_wins_over_both(site: Site) -> None:
    (site.root / ".env").write_text("PAYMENT_HOST=env\nALLOWED_HOSTS=env\nSECRET_KEY=env\nSTRIPE_API_VERSION=env\n")
    (site.root / ".env.local").write_text("PAYMENT_HOST=root-local\nALLOWED_HOSTS=root-local\nSECRET_KEY=root-local\n")
    (site.example / ".env.local").write_text("PAYMENT_HOST=example-local\nALLOWED_HOSTS=example-local\n")
    values = site.settings(
        "PAYMENT_HOST", "ALLOWED_HOSTS", "SECRET_KEY", "STRIPE_GATEWAY_API_VERSION", PAYMENT_HOST="real"
    )
    assert values == {
        "PAYMENT_HOST": "real",
        "ALLOWED_HOSTS": ["example-local"],
        "SECRET_KEY": "root-local",
        "STRIPE_GATEWAY_API_VERSION": "env",
    }


def test_env_files__an_empty_variable_hides_the_file(site: Site) -> None:
    (site.root / ".env").write_text("STRIPE_WEBHOOK_SECRET=whsec_file\n")
    assert site.settings("STRIPE_GATEWAY_WEBHOOK_SECRET", STRIPE_WEBHOOK_SECRET="") == {
        "STRIPE_GATEWAY_WEBHOOK_SECRET": []
    }


def test_env_files__syntax(site: Site) -> None:
    (site.root / ".env.local").write_text(
        "# a comment\n\nexport SECRET_KEY='a # b = c'  # quoted\nPAYMENT_HOST = shop.test # a shop\n"
        'STRIPE_API_VERSION="2026"\nALLOWED_HOSTS=\nDJANGO_CONFIGURATION=Development\n'
    )
    values = site.settings("SECRET_KEY", "PAYMENT_HOST", "STRIPE_GATEWAY_API_VERSION", "DEBUG")
    assert values == {
        "SECRET_KEY": "a # b = c",
        "PAYMENT_HOST": "shop.test",
        "STRIPE_GATEWAY_API_VERSION": "2026",
        "DEBUG": True,
    }


def test_env_files__name_the_configuration(site: Site) -> None:
    (site.root / ".env").write_text("DJANGO_CONFIGURATION=Production\n")
    assert_sentence(site.manage("check"), "SECRET_KEY")


def test_env_files__bad_line(site: Site) -> None:
    (site.root / ".env").write_text("SECRET_KEY=x\nsk_live_pasted_alone\n")
    done = site.manage("check")
    assert_sentence(done, "Line 2", ".env")
    assert "sk_live" not in done.stderr


def test_env_files__not_text(site: Site) -> None:
    (site.root / ".env").write_bytes(b"SECRET_KEY=\xff\xfe\n")
    assert_sentence(site.manage("check"), ".env")


def test_seeding_refuses_a_public_site(site: Site) -> None:
    done = site.manage("seed_demo", **PUBLIC)
    assert done.returncode == 1
    assert "development only" in done.stderr
    assert not site.database.exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "older",
    [
        "ALTER TABLE django_stripe_gateway_customer RENAME COLUMN provider_id TO customer_id",
        "DROP TABLE django_stripe_gateway_refund",
        "DELETE FROM django_migrations WHERE app = 'django_stripe_gateway'",
    ],
)
def test_seeding_puts_an_older_database_aside(site: Site, older: str) -> None:
    """Until a version is released, migrations may be made anew."""
    assert site.manage("seed_demo", "--migrate").returncode == 0
    again = site.manage("seed_demo", "--migrate")
    assert (again.returncode, "older shape" in again.stderr) == (0, False)
    with contextlib.closing(sqlite3.connect(site.database)) as database, database:
        database.execute(older)
    done = site.manage("seed_demo", "--migrate")
    assert done.returncode == 0, done.stderr
    assert f"older shape. It is {site.database.name}.old now" in done.stderr
    assert site.database.with_name(f"{site.database.name}.old").exists()
    assert site.rows("SELECT provider_id FROM django_stripe_gateway_customer") == []


def test_manage_runs_by_its_path(site: Site) -> None:
    assert (EXAMPLE / "manage.py").stat().st_mode & 0o100
    done = site.manage("makemigrations", "--check", "--dry-run", "shop", cwd=site.root.parent)
    assert done.returncode == 0, done.stdout
