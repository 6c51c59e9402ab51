"""A session, built from its messages."""
