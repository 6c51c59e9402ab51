"""Where messages come from: the trainer process, a recording."""
