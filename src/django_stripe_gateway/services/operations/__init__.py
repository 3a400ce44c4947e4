"""What is asked of a provider: stored before the call, called once, and settled by its answer."""
