"""Payments on sellers' own accounts."""
