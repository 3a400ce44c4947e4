"""A small shop that takes payments, as a host project would."""
