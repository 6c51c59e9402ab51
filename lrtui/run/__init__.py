"""What is known about runs from their messages alone: neither torch nor textual."""
