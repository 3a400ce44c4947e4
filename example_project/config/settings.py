"""Settings of the example site, one class per environment; `DJANGO_CONFIGURATION` names the one to use."""

from __future__ import annotations

from typing import Any

from configurations import Configuration

from config import environment
from config.databases import with_engine_options
from config.environment import EXAMPLE, EnvironmentProblem

LOCALSTRIPE_KEY = "sk_test_123"
REQUIRED_BY_STRIPE = {
    "STRIPE_API_KEY": "the secret key of your Stripe account, sk_…",
    "STRIPE_WEBHOOK_SECRET": "the signing secret of its webhook endpoint, whsec_…",
}
REQUIRED_IN_PUBLIC = {
    "SECRET_KEY": "fifty or more random characters",
    "ALLOWED_HOSTS": "the site's host names, separated by commas",
}


class Base(Configuration):
    """What all environments share. Properties, because the environment is read when the class is used."""

    IS_PUBLIC = True
    LOCALSTRIPE_BY_DEFAULT = False

    @classmethod
    def pre_setup(cls) -> None:
        """Stop the start when a variable is missing, with one sentence for all of them."""
        super().pre_setup()
        required = {} if cls().USE_LOCALSTRIPE else dict(REQUIRED_BY_STRIPE)
        if cls.IS_PUBLIC:
            required |= REQUIRED_IN_PUBLIC
        missing = [f"{name} ({meaning})" for name, meaning in required.items() if not environment.words(name, [])]
        if missing:
            listed = missing[0] if len(missing) == 1 else f"{', '.join(missing[:-1])} and {missing[-1]}"
            hint = "" if cls.IS_PUBLIC else ", or USE_LOCALSTRIPE=True to develop without a Stripe account"
            raise EnvironmentProblem(f"Set {listed} in the environment, .env.local or .env{hint}.")

    # The site

    DEBUG = False
    ROOT_URLCONF = "config.urls"
    WSGI_APPLICATION = "config.wsgi.application"
    ASGI_APPLICATION = "config.asgi.application"
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
    USE_TZ = True
    TIME_ZONE = "UTC"
    STATIC_URL = "/static/"
    STATIC_ROOT = EXAMPLE / "static_root"
    LOGIN_URL = "login"
    LOGIN_REDIRECT_URL = "shop:products"
    LOGOUT_REDIRECT_URL = "shop:products"

    APPS = [
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
        "shop",
    ]
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default"]}}

    MIDDLEWARE = [
        "django.middleware.security.SecurityMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.common.CommonMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "django.middleware.clickjacking.XFrameOptionsMiddleware",
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
                    "shop.context_processors.site",
                ]
            },
        }
    ]

    AUTH_PASSWORD_VALIDATORS = [
        {"NAME": f"django.contrib.auth.password_validation.{name}"}
        for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
    ]

    LOGGING = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "{levelname} {name}: {message}", "style": "{"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "loggers": {"django_stripe_gateway": {"handlers": ["console"], "level": "INFO"}},
    }

    @property
    def SECRET_KEY(self) -> str:
        """The key that signs sessions and return URLs."""
        return environment.text("SECRET_KEY")

    @property
    def ALLOWED_HOSTS(self) -> list[str]:
        """The hosts that the site answers to, those that webhooks are sent to among them."""
        return environment.words("ALLOWED_HOSTS", [])

    @property
    def DATABASES(self) -> dict[str, Any]:
        """The database; no ATOMIC_REQUESTS, because no network call may happen inside a transaction."""
        default = f"sqlite:///{EXAMPLE / 'db.sqlite3'}"
        return {"default": with_engine_options(environment.database("DATABASE_URL", default))}

    @property
    def INSTALLED_APPS(self) -> list[str]:
        """The apps; the queue's tables are needed where workers are."""
        return [*self.APPS, "django_tasks_db"] if self.WEBHOOK_WORKERS else self.APPS

    # The API

    REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": [
            "rest_framework.authentication.TokenAuthentication",
            "rest_framework.authentication.SessionAuthentication",
        ],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
        # Rates count by the address that the one proxy in front of a production has seen.
        "NUM_PROXIES": 1,
    }

    # Payments

    PAYMENT_MODEL = "django_stripe_gateway.Payment"
    PAYMENT_VARIANTS = {"stripe": ("django_stripe_gateway.providers.StripeProvider", {})}
    # All processes of a machine count a caller's requests together; several machines want Redis here.
    CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.filebased.FileBasedCache", "LOCATION": EXAMPLE / ".cache"}
    }

    STRIPE_GATEWAY_SUCCESS_URL = "/payments/{payment_id}/paid/"
    STRIPE_GATEWAY_FAILURE_URL = "/payments/{payment_id}/unpaid/"
    STRIPE_GATEWAY_SUBSCRIPTION_SUCCESS_URL = STRIPE_GATEWAY_SUBSCRIPTION_CANCEL_URL = "/plans/"
    STRIPE_GATEWAY_PORTAL_RETURN_URL = "/plans/"
    STRIPE_GATEWAY_ADAPTER = "shop.adapter.ShopAdapter"

    @property
    def SHOP_SELLS_ORDERS_ONLY(self) -> bool:
        """Whether the API takes payments for orders of the shop alone, and not for amounts that its clients choose."""
        return environment.flag("SHOP_SELLS_ORDERS_ONLY", default=self.IS_PUBLIC)

    @property
    def USE_LOCALSTRIPE(self) -> bool:
        """Whether payments go to localstripe, a fake Stripe for development."""
        return environment.flag("USE_LOCALSTRIPE", default=self.LOCALSTRIPE_BY_DEFAULT)

    @property
    def PAYMENT_HOST(self) -> str:
        """The host that Stripe sends customers back to."""
        own = next((host for host in self.ALLOWED_HOSTS if not host.startswith((".", "*"))), "")
        return environment.host("PAYMENT_HOST", own)

    @property
    def PAYMENT_USES_SSL(self) -> bool:
        """Whether customers are sent back to https."""
        return environment.flag("PAYMENT_USES_SSL", default=self.IS_PUBLIC)

    @property
    def WEBHOOK_WORKERS(self) -> bool:
        """Whether workers (`db_worker`) handle the webhooks, and not the requests that bring them."""
        return environment.flag("WEBHOOK_WORKERS", default=False)

    @property
    def STRIPE_GATEWAY_WEBHOOK_PROCESSING(self) -> str:
        """Hand WEBHOOK_WORKERS to the package."""
        return "task" if self.WEBHOOK_WORKERS else "inline"

    @property
    def STRIPE_GATEWAY_USE_LOCALSTRIPE(self) -> bool:
        """Hand USE_LOCALSTRIPE to the package."""
        return self.USE_LOCALSTRIPE

    @property
    def STRIPE_GATEWAY_API_KEY(self) -> str:
        """The secret key; a dummy for localstripe, so that a real one never gets there."""
        return LOCALSTRIPE_KEY if self.USE_LOCALSTRIPE else environment.text("STRIPE_API_KEY")

    @property
    def STRIPE_GATEWAY_WEBHOOK_SECRET(self) -> list[str]:
        """The webhook's signing secrets, several while one is replaced by another."""
        return environment.words("STRIPE_WEBHOOK_SECRET", [])

    @property
    def STRIPE_GATEWAY_LOCALSTRIPE_URL(self) -> str:
        """Where localstripe is."""
        return environment.address("LOCALSTRIPE_URL", "http://127.0.0.1:8420")

    @property
    def STRIPE_GATEWAY_API_BASE(self) -> str:
        """Another server than Stripe's, for proxies and tests."""
        return environment.address("STRIPE_API_BASE")

    @property
    def STRIPE_GATEWAY_API_VERSION(self) -> str:
        """The API version to ask for, by default the one that the Stripe library was made for."""
        return environment.text("STRIPE_API_VERSION")

    # HTTPS

    @property
    def SECURE_SSL_REDIRECT(self) -> bool:
        """Whether plain http is redirected to https."""
        return environment.flag("SECURE_SSL_REDIRECT", default=self.IS_PUBLIC)

    @property
    def SESSION_COOKIE_SECURE(self) -> bool:
        """Keep the session off plain http, unless the site is served over it."""
        return self.SECURE_SSL_REDIRECT

    @property
    def CSRF_COOKIE_SECURE(self) -> bool:
        """Keep the CSRF token off plain http, unless the site is served over it."""
        return self.SECURE_SSL_REDIRECT


class Development(Base):
    """A developer's machine: localstripe unless set otherwise, nothing needs to be set."""

    IS_PUBLIC = False
    LOCALSTRIPE_BY_DEFAULT = True
    DEBUG = True
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    # Every flow can be tried here, by one user and at any speed. What a customer may do elsewhere is the default.
    STRIPE_GATEWAY_CUSTOMER_ACTIONS = ("*",)
    STRIPE_GATEWAY_THROTTLE_RATES = None
    # What customers are written to is printed where the server runs.
    STRIPE_GATEWAY_MAILS = True
    STRIPE_GATEWAY_MAIL_ACCOUNT_URL = "/plans/"
    # Not by MAILERS of Django 6.1, which refuses it beside EMAIL_*; django-configurations sets all of these.
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

    @property
    def SECRET_KEY(self) -> str:
        """The same after each restart, so that sessions last."""
        return environment.text("SECRET_KEY", "for-development-only-never-use-this-key-on-a-site-that-others-can-reach")

    @property
    def ALLOWED_HOSTS(self) -> list[str]:
        """This machine, also when localstripe calls it from a container."""
        return environment.words("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]", "host.docker.internal"])

    @property
    def PAYMENT_HOST(self) -> str:
        """The development server."""
        return environment.host("PAYMENT_HOST", "localhost:8000")


class Staging(Base):
    """As Production, with test keys and without promises to browsers that are hard to take back."""

    SECURE_HSTS_SECONDS = 3600


class Production(Base):
    """The real site. Behind a proxy that ends TLS, add SECURE_PROXY_SSL_HEADER for the header that it sets."""

    SECURE_HSTS_SECONDS = 365 * 24 * 60 * 60
    SECURE_HSTS_INCLUDE_SUBDOMAINS = True
    SECURE_HSTS_PRELOAD = True
