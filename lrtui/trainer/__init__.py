"""The trainer: the loop, its reports and its work on the side, in a process of its own."""
