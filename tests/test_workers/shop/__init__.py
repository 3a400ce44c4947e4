"""A host's app with a slow handler."""
