"""Axes, charts, braille rasters, colours."""
