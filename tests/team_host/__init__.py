"""A host that bills its teams instead of its users."""
