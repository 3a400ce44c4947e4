"""Gateways and one-off payments."""
