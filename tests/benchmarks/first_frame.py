"""Time to the first painted frame, over the time of ``python -c "import torch"``."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from tests.terminal import terminal

ROUNDS = 7


def import_torch() -> float:
    """Return the seconds that the import takes in a process of its own."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return time.perf_counter() - start


def first_frame() -> float:
    """Return the seconds until the screen is there."""
    start = time.perf_counter()
    with terminal() as lab:
        while "q quit" not in lab.text:
            lab.read(0.005)
        return time.perf_counter() - start


def main() -> None:
    """Print the ratio."""
    import_torch(), first_frame()
    pairs = [(first_frame(), import_torch()) for _ in range(ROUNDS)]
    ratios = [frame / torch for frame, torch in pairs]
    print(
        f"first frame: {statistics.median(ratios):.2f} of importing torch "
        f"({min(ratios):.2f} to {max(ratios):.2f}; "
        f"{statistics.median(p[0] for p in pairs):.2f} s against "
        f"{statistics.median(p[1] for p in pairs):.2f} s)"
    )


if __name__ == "__main__":
    main()
