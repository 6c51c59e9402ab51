"""Output to the terminal, and questions to it."""
