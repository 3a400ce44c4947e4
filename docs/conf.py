"""How Sphinx builds the documentation."""

from __future__ import annotations

import django
from django.conf import settings

from django_stripe_gateway import __version__

settings.configure(
    SECRET_KEY="documentation",  # noqa: S106
    USE_TZ=True,
    ROOT_URLCONF="django_stripe_gateway.urls",
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "rest_framework",
        "django_stripe_gateway",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    PAYMENT_HOST="shop.example.com",
)
django.setup()

project = "django-stripe-gateway"
author = "django-stripe-gateway contributors"
project_copyright = "django-stripe-gateway contributors"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
# No address of somebody else's is fetched, by the build or by the pages.
html_show_sphinx = False

myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence", "deflist"]
# README, LICENSE and the like lie outside of docs/.
myst_links_external_new_tab = False

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
