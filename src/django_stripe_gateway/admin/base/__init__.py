"""What the admins of all models share; nothing in here knows a model's admin or its actions."""
