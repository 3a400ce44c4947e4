"""A host project that brings a payment model of its own."""
