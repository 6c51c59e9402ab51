"""Benchmarks: ratios measured in one run, for machines differ. ``python -m tests.benchmarks``."""
