"""What is sold: plans and prices here and at the provider."""
