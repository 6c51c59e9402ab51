"""A source of messages without a trainer: what it says is computed here, in float64."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from lrtui.messages import (
    AnyMessage,
    Command,
    Curvature,
    Ended,
    Message,
    Problem,
    Progress,
    Ready,
    Start,
    Started,
    Sweep,
    Swept,
)
from lrtui.run.theory import Theory
from lrtui.screen.app import LrtuiApp
from lrtui.screen.controller import Controller
from lrtui.screen.main_screen import MainScreen


def data() -> tuple[np.ndarray, np.ndarray]:
    """A hundred points about the post's line."""
    chance = np.random.default_rng(1)
    x = np.column_stack([chance.uniform(-1, 1, 100), np.ones(100)])
    return x, x @ [3.0, 2.0] + chance.uniform(0, 1, 100)


def ready() -> Ready:
    x, y = data()
    return Ready(
        problem=Problem(),
        x=x[:, 0].tolist(),
        y=y.tolist(),
        truth=(3.0, 2.0),
        weights=(-1.0, 1.0),
        torch="2.13.0",
    )


def curvature() -> Curvature:
    x, y = data()
    values, vectors = np.linalg.eigh(2 / len(y) * x.T @ x)
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    return Curvature(
        eigenvalues=values.tolist(),
        directions=vectors.T.tolist(),
        minimum=best.tolist(),
        floor=float(((x @ best - y) ** 2).mean()),
    )


def swept(command: Sweep) -> Swept:
    """What a trainer answers to a sweep, from the closed form."""
    bowl = Theory.of(curvature())
    gaps = [bowl.gaps((-1.0, 1.0), rate)(command.steps) for rate in command.rates]
    at = [bowl.settles_at((-1.0, 1.0), rate) for rate in command.rates]
    return Swept(
        rates=command.rates,
        steps=command.steps,
        losses=[bowl.floor + gap if gap < 3e38 else None for gap in gaps],
        settled_at=[k if k is not None and k <= command.steps else None for k in at],
    )


def descent(run: int, rate: float, steps: int, until: int | None = None) -> list[Message]:
    """What a trainer tells of a run, from its start to its end or to a step before it."""
    x, y = data()
    a = np.array([-1.0, 1.0])
    losses = []
    path: list[tuple[float | None, float | None]] = []
    last = steps if until is None else until
    for step in range(last + 1):
        if step:
            a = a - rate * 2 / len(y) * x.T @ (x @ a - y)
        losses.append(float(((x @ a - y) ** 2).mean()))
        path.append((float(a[0]), float(a[1])))
        if losses[-1] > 3e38:  # where float32 ends
            losses[-1] = math.inf
            break
    told: list[Message] = [
        Started(run=run, rate=rate, steps=steps),
        Progress(
            run=run,
            rate=rate,
            step=0,
            losses=[v if math.isfinite(v) else None for v in losses],
            weights=path[-1],
            path=path[:256],
            seconds=len(losses) / 20,
        ),
    ]
    if until is not None:
        return told
    bad = losses[-1] > losses[0]
    told.append(
        Ended(
            run=run,
            outcome="diverged" if bad else "done",
            step=len(losses) - 1,
            loss=[v for v in losses if math.isfinite(v)][-1],
            reason=f"at rate {rate:g} it ended as it had to",
        )
    )
    return told


class FakeSource:
    """Answers as it is told to.

    Attributes:
        sent: the commands that came.
        answer: what each start is answered with.
    """

    trains = True

    def __init__(self, answer: Callable[[Start], list[Message]] | None = None) -> None:
        self.sent: list[Command] = []
        self.answer = answer or (lambda start: descent(start.run, start.rate, start.steps))
        self._waiting: list[Message] = [ready(), curvature()]

    def send(self, command: Command) -> None:
        self.sent.append(command)
        if isinstance(command, Start):
            self._waiting += self.answer(command)
        if isinstance(command, Sweep):
            self._waiting.append(swept(command))

    def say(self, *messages: Message) -> None:
        self._waiting += messages

    def poll(self, timeout: float | None = 0) -> list[AnyMessage]:
        told, self._waiting = self._waiting, []
        return told  # type: ignore[return-value]

    def close(self) -> None:
        pass


def make_app(source: FakeSource, *rates: float, steps: int = 100, every: int = 10) -> LrtuiApp:
    """The app on a fake source; frames come when a test asks for them."""
    controller = Controller(source, rates or (0.1,), steps=steps, speed=20.0, every=every)
    return LrtuiApp(MainScreen(controller, fps=0.001), "textual-dark")
