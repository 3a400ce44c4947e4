"""Hosts whose surroundings are not those of the other tests: other databases, poolers, tenants, users, times."""
