"""The commands: the arguments of each, and what it does."""
