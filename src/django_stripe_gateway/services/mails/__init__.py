"""E-mails to customers: an outbox that is written with what it tells, and sent once."""
