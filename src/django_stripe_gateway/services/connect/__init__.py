"""Sellers of a platform: their accounts, made, onboarded and kept in step."""
