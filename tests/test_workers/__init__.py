"""Webhook events handled by worker processes, some of which are killed."""
