"""What can be trained: one file for each problem, and the settings of all in plain data."""
