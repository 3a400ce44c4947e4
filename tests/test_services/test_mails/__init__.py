"""E-mails to customers."""
