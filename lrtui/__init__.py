"""Type a learning rate, watch gradient descent answer, and be told why."""

__version__ = "0.3.0"
