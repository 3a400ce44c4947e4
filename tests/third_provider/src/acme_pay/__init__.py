"""Payments and subscriptions through Acme Pay, for django-stripe-gateway."""
