"""Use that the provider counts, for what is billed by it."""
