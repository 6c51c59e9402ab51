"""The version, where every room can name it."""

__version__ = "0.5"
