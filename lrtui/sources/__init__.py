"""Where messages come from: the trainer process, a recording, or a fake for tests."""
