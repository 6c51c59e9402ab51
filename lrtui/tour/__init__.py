"""Scripts of scenes, and their player."""
