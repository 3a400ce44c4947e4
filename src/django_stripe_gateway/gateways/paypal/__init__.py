"""PayPal: how it is called."""
