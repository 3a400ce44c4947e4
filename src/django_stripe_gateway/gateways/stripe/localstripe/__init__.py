"""localstripe, the stand-in for Stripe in development: how it is called."""
