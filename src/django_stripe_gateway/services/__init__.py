"""What can be done with payments; each function makes one change, keyword-only, and returns the model."""
