"""Customers, their subscriptions and their invoices. Hosts call it through ``django_stripe_gateway.subscriptions``."""
