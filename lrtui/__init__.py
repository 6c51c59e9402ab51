"""Type a learning rate, watch gradient descent answer, and be told why."""

__version__ = "0.2.0"
