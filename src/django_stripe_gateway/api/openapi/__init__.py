"""The OpenAPI document: what each operation declares, and drf-spectacular's inspector that reads it."""
