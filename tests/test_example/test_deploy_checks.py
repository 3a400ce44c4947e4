"""`check --deploy` in each configuration."""

from __future__ import annotations

import pytest

from tests.test_example.site import CHECKOUT, PUBLIC, Site


def test_production_is_clean(site: Site) -> None:
    done = site.manage("check", "--deploy", "--fail-level", "WARNING", **PUBLIC)
    assert done.returncode == 0, done.stderr
    assert "no issues" in done.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        {"USE_LOCALSTRIPE": "True"},
        {"STRIPE_API_KEY": "sk_test_123"},
    ],
)
def test_production_with_development_values(site: Site, wrong: dict[str, str]) -> None:
    done = site.manage("check", "--deploy", **(PUBLIC | wrong))
    assert done.returncode == 1
    assert "django_stripe_gateway." in done.stderr
    assert "Traceback" not in done.stderr


def test_production_without_https(site: Site) -> None:
    done = site.manage("check", "--deploy", **(PUBLIC | {"PAYMENT_USES_SSL": "False", "SECURE_SSL_REDIRECT": "False"}))
    assert done.returncode == 0
    assert "PAYMENT_USES_SSL" in done.stderr
    assert "security.W008" in done.stderr


def test_staging_only_lacks_what_browsers_remember_for_long(site: Site) -> None:
    done = site.manage(
        "check", "--deploy", **(PUBLIC | {"DJANGO_CONFIGURATION": "Staging", "STRIPE_API_KEY": "sk_test_" + "x" * 24})
    )
    assert done.returncode == 0, done.stderr
    warnings = {line.split("(")[1].split(")")[0] for line in done.stderr.splitlines() if line.startswith("?: (")}
    # The third says that a test key moves no money.
    assert warnings == {"security.W005", "security.W021", "django_stripe_gateway.W032"}


def test_development_with_test_keys(site: Site) -> None:
    done = site.manage("check", "--fail-level", "WARNING", **CHECKOUT)
    assert done.returncode == 0, done.stderr
