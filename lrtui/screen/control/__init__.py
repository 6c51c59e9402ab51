"""What the keys do, and the state of the view."""
