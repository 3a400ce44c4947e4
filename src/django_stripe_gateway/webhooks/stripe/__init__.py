"""Stripe: how its events are verified and handled."""
