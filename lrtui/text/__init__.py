"""Reading and formatting of numbers, rates, signs and file names."""
