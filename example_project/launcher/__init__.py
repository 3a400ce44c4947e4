"""Start the demo's processes, watch them and stop them. Needs nothing but Python's own library."""
