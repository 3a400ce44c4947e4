"""Subscriptions: services, API and webhooks."""
