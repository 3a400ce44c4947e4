"""PayPal: how its events are verified and handled."""
