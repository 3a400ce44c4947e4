"""What is billed again and again: customers, subscriptions and invoices."""
