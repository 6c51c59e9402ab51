"""Gradient descent in torch, in a process of its own (``python -m lrtui.trainer``)."""
