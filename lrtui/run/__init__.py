"""What is known about a run, from its messages alone: no torch, no textual."""
