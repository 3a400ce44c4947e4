"""The bank that Acme Pay's distribution calls."""

from tests.third_provider.bank.server import Bank

__all__ = ["Bank"]
