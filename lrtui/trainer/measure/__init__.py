"""Measurements beside a run: curvature, slices of the loss."""
