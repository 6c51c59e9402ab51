"""A race: one script at several rates, each in a process that writes a file to follow."""
