"""Show what a plan allows, and use some of it."""
