"""Settings, URLs and servers' entry points of the example site."""
