"""The inbox: deliveries are verified, stored once, and handled."""
