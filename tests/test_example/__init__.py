"""The example project, run as a user runs it: in processes of its own, on a copy of its files."""
