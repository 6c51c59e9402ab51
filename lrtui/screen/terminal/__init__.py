"""The driver and the screen diff: what lrtui sends to the terminal, and when."""
