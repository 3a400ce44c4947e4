"""Accounts that close: what runs is ended, what is stored is given out, and what is personal is erased."""
