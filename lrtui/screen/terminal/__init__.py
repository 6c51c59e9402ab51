"""What lrtui asks of the terminal, and what it sends to it and when."""
