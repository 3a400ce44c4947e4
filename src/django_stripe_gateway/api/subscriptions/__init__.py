"""Plans, subscriptions, invoices and payment methods."""
