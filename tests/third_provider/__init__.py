"""A third provider: a distribution of its own (``acme_pay``), the bank that it calls, and a host that uses it."""
