"""Readers of the logs that other tools write, one a format, and the source that follows them."""
