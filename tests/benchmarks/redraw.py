"""Drawing the loss chart after 10⁷ steps over the same after 10², and the memory it takes."""

from __future__ import annotations

import statistics
import time

import numpy as np

from lrtui.messages import Progress
from lrtui.screen.control.view import View
from lrtui.screen.panes.loss import draw
from lrtui.session.session import Session

ROUNDS = 200


def session_after(steps: int) -> Session:
    """A session with one run of so many steps, its losses falling as the post's do."""
    session = Session()
    session.begin(0.1, steps)
    for first in range(0, steps + 1, 100_000):
        at = np.arange(first, min(first + 100_000, steps + 1))
        losses = 0.08 + 7.6 * 10 ** (-5 * at / steps)
        session.apply(
            Progress(
                run=1,
                steps=first,
                scalars={"loss": losses.tolist()},
                weights=[3.0, 2.5],
                seconds=1.0,
            )
        )
    return session


def seconds(session: Session) -> float:
    """Return the seconds that one drawing takes, at the size of the pane at 120 × 36."""
    start = time.perf_counter()
    draw(View(session, 100), 56, 15)
    return time.perf_counter() - start


def main() -> None:
    """Print the ratio and the memory."""
    short, long = session_after(100), session_after(10_000_000)
    seconds(short), seconds(long)
    pairs = [(seconds(long), seconds(short)) for _ in range(ROUNDS)]
    slow, quick = (statistics.median(column) for column in zip(*pairs, strict=True))
    run = long.current
    assert run is not None
    assert run.series is not None
    print(
        f"loss chart: {slow / quick:.2f} times the time after 10⁷ steps as after 10² "
        f"({1e3 * slow:.1f} ms against {1e3 * quick:.1f} ms); "
        f"the losses of 10⁷ steps take {run.series.nbytes / 1024:.0f} kB"
    )


if __name__ == "__main__":
    main()
