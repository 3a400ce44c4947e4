"""What ``manage.py doctor`` looks for: a diagnosis is a function in a module of this package, and ``ALL`` names it."""
