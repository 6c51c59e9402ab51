"""Going to a place in a saved run of 10⁶ steps: until what stands there can be drawn."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from lrtui.messages import Ended, Message, ProblemFacts, Progress, Seek, Started, encode
from lrtui.session.session import Session
from lrtui.sources.replay import Replay
from tests.screen.fake import facts, greeting, quadratic, scene

STEPS = 10**6
A_REPORT = 500
"""Steps that a trainer reports at a time, as fast as it goes."""


def record(path: Path) -> None:
    """Write a session of one run."""
    losses = 0.0783 + 7.6 * np.exp(-np.arange(STEPS + 1) / 2e5)
    about: ProblemFacts = facts()
    told: list[Message] = [greeting(), scene(), quadratic(), about]
    told.append(Started(run=1, lr=1e-4, steps=STEPS))
    for first in range(0, STEPS + 1, A_REPORT):
        some = losses[first : first + A_REPORT].tolist()
        told.append(
            Progress(
                run=1, steps=first, scalars={"loss": some}, weights=[3.0, 2.0], seconds=first / 1e4
            )
        )
    told.append(Ended(run=1, outcome="done", step=STEPS, loss=some[-1], reason="done"))
    path.write_bytes(b"".join(encode(message) + b"\n" for message in told))


def seconds(replay: Replay, session: Session, step: int) -> float:
    """Return the seconds that going to a step takes."""
    start = time.perf_counter()
    replay.send(Seek(step=step, id=7))
    answered = False
    while not answered:
        for message in replay.poll(None):
            session.apply(message)
            answered |= getattr(message, "answers", 0) == 7
    run = session.current
    assert run is not None
    assert run.step == step
    return time.perf_counter() - start


def main() -> None:
    """Print how long it takes."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "runs.jsonl"
        record(path)
        replay, session = Replay(path, 20.0), Session()
        while session.current is None or session.current.series is None:
            for message in replay.poll(None):
                session.apply(message)
        for name, step in (("last", STEPS), ("first", 1), ("middle", STEPS // 2)):
            times = []
            for _ in range(7):
                seconds(replay, session, 10)
                times.append(seconds(replay, session, step))
            print(
                f"seek to the {name} of 10⁶ steps: {statistics.median(times):.2f} s "
                f"(at most {max(times):.2f}), {path.stat().st_size / 1e6:.0f} MB"
            )


if __name__ == "__main__":
    main()
