"""Settings of the test project."""

from __future__ import annotations

import os
from importlib.util import find_spec

import dj_database_url
import django

try:
    import MySQLdb  # noqa: F401
except ImportError:
    try:
        import pymysql
    except ImportError:
        pass
    else:
        # Where the C headers that mysqlclient is built with are missing.
        pymysql.version_info = (2, 2, 1, "final", 0)
        pymysql.install_as_MySQLdb()

SECRET_KEY = "not-a-secret"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
USE_TZ = True
ROOT_URLCONF = "tests.urls"

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "rest_framework.authtoken",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_stripe_gateway",
]

if find_spec("django_tasks_db"):
    INSTALLED_APPS.append("django_tasks_db")
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": []}}

MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES = {"default": dj_database_url.parse(os.environ.get("TEST_DATABASE_URL") or "sqlite:///db.sqlite3")}
_engine = DATABASES["default"]["ENGINE"]
if _engine.endswith("sqlite3"):
    # A file, because threads share no database in memory.
    DATABASES["default"]["TEST"] = {"NAME": os.environ.get("TEST_SQLITE_NAME") or "test_db.sqlite3"}
    # No test cuts the power: a process that is killed loses nothing that it has committed, written to the disk or not.
    quick = "PRAGMA synchronous = OFF"
    DATABASES["default"]["OPTIONS"] = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": quick}
elif _engine.endswith("postgresql"):
    DATABASES["default"]["OPTIONS"] = {"options": "-c synchronous_commit=off"}
elif _engine.endswith("mysql"):
    DATABASES["default"]["OPTIONS"] = {"charset": "utf8mb4"}
    DATABASES["default"]["TEST"] = {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_unicode_ci"}

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_URL = "static/"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {"OAS_VERSION": "3.1.0", "TITLE": "Payments", "VERSION": "1"}

PAYMENT_MODEL = os.environ.get("TEST_PAYMENT_MODEL") or "django_stripe_gateway.Payment"
PAYMENT_HOST = "shop.test"
PAYMENT_USES_SSL = True
STRIPE_GATEWAY_API_KEY = "sk_test_fake"
# The fake's, so that no test begins with a call that asks whose the key is.
STRIPE_GATEWAY_ACCOUNT_ID = "acct_1FakeStripe000000"
STRIPE_GATEWAY_WEBHOOK_SECRET = "whsec_test"
STRIPE_GATEWAY_MAX_NETWORK_RETRIES = 0
# Most tests are about what the API does, whoever may ask for it; who may is the subject of those that set "default".
STRIPE_GATEWAY_CUSTOMER_ACTIONS = [
    "default",
    "capture_payment",
    "refund_payment",
    "release_payment",
    "capture_method",
    "pause_subscription",
    "unpause_subscription",
    "proration",
]
# Stripe's own way; what is invoiced at once is the subject of those that set the default, "invoice_increases".
STRIPE_GATEWAY_PRORATION_BEHAVIOR = "create_prorations"
# Many requests of one user in a moment are no attack here.
STRIPE_GATEWAY_THROTTLE_RATES = None

if django.VERSION >= (6, 1):
    # In the place of EMAIL_BACKEND.
    MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
