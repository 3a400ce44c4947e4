"""What owners may use, and what they have used. Hosts call it through ``django_stripe_gateway.usage``."""
