"""Runs all benchmarks, or those named: ``python -m tests.benchmarks [NAME …]``."""

import subprocess
import sys
from importlib import import_module

from tests.monitor import trainings

trainings.Popen = subprocess.Popen  # type: ignore # as anybody starts one

NAMES = (
    "first_frame",
    "throughput",
    "key_to_screen",
    "redraw",
    "batch",
    "line",
    "any_model",
    "seek",
    "slow_line",
    "race",
    "monitor",
    "bounded",
    "lab_truth",
    "verdicts",
    "spikes",
    "headroom",
    "tries",
    "logs",
    "linters",
    "several",
    "leet",
    "race_scripts",
    "sweep_ranks",
)

for name in sys.argv[1:] or NAMES:
    import_module(f"tests.benchmarks.{name}").main()
