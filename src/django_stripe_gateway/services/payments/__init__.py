"""One-off payments. Hosts call it through ``django_stripe_gateway.payments``."""
