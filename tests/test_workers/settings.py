"""Settings of the processes: the test's own database, and the queue that ``WORKER_QUEUE`` names."""

from __future__ import annotations

import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES, INSTALLED_APPS

QUEUE = os.environ["WORKER_QUEUE"]
REDIS_URL = os.environ.get("WORKER_REDIS_URL", "")

DATABASES["default"]["NAME"] = os.environ["WORKER_DATABASE"]
INSTALLED_APPS = [*INSTALLED_APPS, "tests.test_workers.shop"]
STRIPE_GATEWAY_WEBHOOK_PROCESSING = "task"
# Killed workers' events come back soon.
STRIPE_GATEWAY_WEBHOOK_LEASE = 2
STRIPE_GATEWAY_WEBHOOK_RETRY_DELAY = 0.5
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}

if QUEUE == "rq":
    INSTALLED_APPS.append("django_rq")
    RQ_QUEUES = {"default": {"URL": REDIS_URL}}
    TASKS = {"default": {"BACKEND": "django_tasks_rq.RQBackend", "QUEUES": ["default"]}}
elif QUEUE == "celery":
    STRIPE_GATEWAY_WEBHOOK_ENQUEUE = "tests.test_workers.celery_app.enqueue_webhook"
