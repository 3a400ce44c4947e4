"""A fake PayPal for tests: Orders v2, Payments v2, its approval page and its signed webhooks, over real HTTP.

What it answers follows PayPal's reference; nothing of this app is imported, so that neither can hide the other's
mistakes.
"""
