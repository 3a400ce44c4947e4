"""The stored events: received once, handled, tried again, and kept."""
