"""Bring what exists already: a running account's customers, subscriptions, invoices and payments, and other apps' rows.

Nothing is written at the provider. What comes in for the first time is history, and no signal announces it; what is
here already is brought up to date, and announced as ever. Each object is written in a transaction of its own: a run
that is killed anywhere is run again, and finds what it has brought.
"""
